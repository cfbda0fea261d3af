import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createEmbeddedWorld } from "@runners/orchestrator/world";
import { createRunnerHandler } from "@runners/orchestrator/runner";
import { serve } from "h3/node";
import { createApp } from "../app.mjs";
import { quantile, table } from "../report.mjs";
import { folder, scoped, startHost } from "../scratch.mjs";

const regions = ["eu-west-1", "us-east-1"];

/** Wall-clock milliseconds and MiB from DESIGN 11; a size without a budget is measured all the same. */
const sizes = [
  { jobs: 10, samples: 15, warmUp: 10 },
  { jobs: 100, samples: 15, warmUp: 10, budget: { ms: 60 } },
  { jobs: 1000, samples: 9, warmUp: 3, budget: { ms: 400 } },
  { jobs: 10_000, samples: 7, warmUp: 1, budget: { ms: 3000, mib: 300 } },
];

/** How long a poll of the status may take while a run of 10,000 jobs is executed. */
const STATUS_BUDGET_MS = 20;
const STATUS_EVERY_MS = 10;
/** A cell of the largest runs has its samples when it has all, or three after this time. */
const ENOUGH_MS = 90_000;

const runner = `export async function trivial() {
  "use runner";
  return { status: "pass" };
}
`;

/** Runs of trivial jobs, executed here and by two runner servers: time, memory, journal, status meanwhile. */
export async function runs({ quick }) {
  const app = await createApp({
    "runners/trivial.ts": runner,
    "nitro.config.ts": `import { defineConfig } from "nitro";
import orchestrator from "@runners/orchestrator/nitro";
export default defineConfig({ modules: [orchestrator], buildDir: ".nitro", orchestrator: { runners: {} } });
`,
  });
  await app.build();
  const cells = [];
  for (const size of sizes) {
    for (const mode of ["local", "remote"]) {
      const plan = quick ? { ...size, samples: 2, warmUp: 1 } : size;
      const cell = await scoped(() => measure(app, mode, plan));
      cells.push(cell);
      console.log(rowOf(cell).join(" | "));
    }
  }
  const polls = [];
  for (const mode of ["local", "remote"]) {
    polls.push(await scoped(() => pollStatus(app, mode, quick ? 1 : 3)));
    console.log(pollRow(polls.at(-1)).join(" | "));
  }
  return { text: report(cells, polls), versions: {} };
}

/** One cell: runs of one size in one mode, one after another, on an orchestrator and a store of their own. */
async function measure(app, mode, { jobs, samples, warmUp, budget }) {
  const server = await open(app);
  const body = JSON.stringify(request(mode, jobs));
  for (let i = 0; i < warmUp; i++) await run(server.api, body, jobs);
  const idle = await memory(server.pid, "VmRSS");
  const times = [];
  const peaks = [];
  let last;
  const began = performance.now();
  while (times.length < samples && (times.length < 3 || performance.now() - began < ENOUGH_MS)) {
    // From now on the kernel keeps the largest anew.
    await writeFile(`/proc/${server.pid}/clear_refs`, "5");
    const start = performance.now();
    last = await run(server.api, body, jobs);
    times.push(performance.now() - start);
    peaks.push(await memory(server.pid, "VmHWM"));
  }
  return { mode, jobs, budget, times, peaks, idle, journal: await journalOf(server.dataDir, last) };
}

/** How long polls of the status take while a run of 10,000 jobs is executed. */
async function pollStatus(app, mode, rounds) {
  const jobs = 10_000;
  const server = await open(app);
  const body = JSON.stringify(request(mode, jobs));
  await run(server.api, JSON.stringify(request(mode, 1000)), 1000);
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const { runId } = await json(server.api, { method: "POST", body });
    for (;;) {
      const start = performance.now();
      const status = await json(`${server.api}/${runId}/status`);
      times.push(performance.now() - start);
      if (!["queued", "running"].includes(status.state)) break;
      await new Promise((resolve) => setTimeout(resolve, STATUS_EVERY_MS));
    }
  }
  return { mode, times };
}

/** A fresh orchestrator with a fresh store, and the runner servers it sends jobs to. */
async function open(app) {
  const dataDir = await folder("runs");
  const servers = [];
  for (const region of regions) {
    const url = await startHost(import.meta.url, { env: { BENCH_REGION: region } });
    servers.push({ id: region, region, url });
  }
  const { url, pid } = await app.start({
    cwd: dataDir,
    env: {
      ORCHESTRATOR_DATA_DIR: dataDir,
      ORCHESTRATOR_REGISTRY: JSON.stringify({ type: "in-memory", servers }),
    },
  });
  return { api: `${url}/api/orchestrator`, pid, dataDir };
}

function request(mode, jobs) {
  return {
    mode,
    runners: Array.from({ length: jobs }, (_, index) => ({
      name: "trivial",
      ...(mode === "remote" && { region: regions[index % regions.length] }),
      input: { url: `https://shop.example/page/${index}` },
    })),
  };
}

/** Starts a run and waits for its results, as a client does that wants the summary. */
async function run(api, body, jobs) {
  const { runId } = await json(api, { method: "POST", body });
  for (;;) {
    const { state, summary } = await json(`${api}/${runId}?wait=60`);
    if (state === "queued" || state === "running") continue;
    if (state !== "completed" || summary.passed !== jobs) {
      throw new Error(`${jobs} jobs: ${state} ${JSON.stringify(summary)}`);
    }
    return runId;
  }
}

async function json(url, init) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { ...init, ...(init && { headers }) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** What the kernel says of a process's memory, in MiB. */
async function memory(pid, field) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(status.match(new RegExp(`${field}:\\s+(\\d+) kB`))[1]) / 1024;
}

/** The chunks and bytes of a run's journal, read beside the orchestrator that is still up. */
async function journalOf(dataDir, runId) {
  const world = createEmbeddedWorld({ dataDir: join(dataDir, "store"), readOnly: true });
  try {
    const [name] = await world.listStreamsByRunId(runId);
    let [chunks, bytes, cursor] = [0, 0, undefined];
    do {
      const page = await world.getStreamChunks(name, runId, { limit: 1000, cursor });
      chunks += page.data.length;
      for (const { data } of page.data) bytes += data.byteLength;
      cursor = page.cursor;
    } while (cursor);
    return { chunks, bytes };
  } finally {
    await world.close();
  }
}

function report(cells, polls) {
  return [
    table(
      ["jobs", "mode", "POST to summary", "peak memory", "memory before", "journal", "budget"],
      cells.map(rowOf),
    ),
    "Each time is a median, with the fastest, the slowest and the number of samples, after a warm-up, from `POST /api/orchestrator` to the parsed answer of `GET /api/orchestrator/{id}?wait=60` (results of all jobs and their summary), from a client in a process of its own, without a concurrency. Memory is the orchestrator's resident set; its peak is the largest of all samples of a cell, which share one process. `remote` sends every job to one of two runner servers (`createRunnerHandler`), each a process of its own; all on loopback.",
    table(["status while 10,000 jobs run", "median", "p99", "max", "polls"], polls.map(pollRow)),
    [...cells.flatMap(verdicts), ...polls.map(pollVerdict)].map((line) => `- ${line}`).join("\n"),
  ].join("\n\n");
}

function rowOf({ mode, jobs, times, peaks, idle, journal, budget }) {
  const range = `${ms(quantile(times, 0))}–${ms(quantile(times, 1))}; ${times.length}`;
  return [
    jobs.toLocaleString("en"),
    mode,
    `${ms(quantile(times))} (${range})`,
    `${Math.max(...peaks).toFixed(0)} MiB`,
    `${idle.toFixed(0)} MiB`,
    `${(journal.bytes / 1024).toFixed(0)} KiB in ${journal.chunks} chunks`,
    budget ? `≤ ${ms(budget.ms)}${budget.mib ? `, ≤ ${budget.mib} MiB` : ""}` : "none",
  ];
}

function verdicts({ mode, jobs, times, peaks, budget }) {
  if (!budget) return [];
  const what = `${jobs.toLocaleString("en")} jobs, ${mode}`;
  const lines = [verdict(`${what}: ${ms(budget.ms)}`, quantile(times), budget.ms, ms)];
  const mib = (value) => `${value.toFixed(0)} MiB`;
  if (budget.mib)
    lines.push(verdict(`${what}: ${mib(budget.mib)}`, Math.max(...peaks), budget.mib, mib));
  return lines;
}

function pollRow({ mode, times }) {
  return [mode, ...[0.5, 0.99, 1].map((share) => ms(quantile(times, share))), times.length];
}

function pollVerdict({ mode, times }) {
  const what = `p99 of the status while 10,000 jobs run, ${mode}: ${ms(STATUS_BUDGET_MS)}`;
  return verdict(what, quantile(times, 0.99), STATUS_BUDGET_MS, ms);
}

function verdict(what, value, budget, show) {
  const share = `${(value / budget).toFixed(2)} of it`;
  return `Budget of ${what} ${value <= budget ? "met" : "**missed**"} with ${show(value)}, ${share}.`;
}

function ms(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return value >= 100 || Number.isInteger(value)
    ? `${value.toFixed(0)} ms`
    : `${value.toFixed(1)} ms`;
}

/** A runner server of one region, in a process of its own. */
export async function host() {
  const trivial = async () => ({ status: "pass" });
  const region = process.env.BENCH_REGION;
  const handler = createRunnerHandler({ runners: { trivial }, region });
  const server = serve({ fetch: handler }, { port: 0, hostname: "127.0.0.1", silent: true });
  await server.ready();
  console.log(`Listening on ${server.url.replace(/\/$/, "")}/api/runner`);
}
