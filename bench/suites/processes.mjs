import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createApp } from "../app.mjs";
import { durability, startPostgres } from "../postgres.mjs";
import { ownVersion, quantile, table } from "../report.mjs";
import { folder, freePort, root, scoped, start } from "../scratch.mjs";
import { twoSteps } from "../workflows.mjs";

/** How many processes share the work of a row. */
const counts = [1, 2, 4];

const workflows = {
  ...twoSteps,
  "workflows/waits.ts": `export async function waits() {
  "use workflow";
  await check();
  return "waited";
}
async function check() {
  "use step";
  await new Promise((resolve) => setTimeout(resolve, 200));
}
`,
};

/** Runners of pull workers: a check that waits for somebody else, as most do. */
const runners = `export async function probe() {
  await new Promise((resolve) => setTimeout(resolve, 50));
  return { status: "pass" };
}
`;

/** What instances are asked for at once, and each answers for in turn. */
const loads = [
  { workflow: "two", runs: 200, what: "200 two-step runs at once" },
  { workflow: "waits", runs: 200, what: "200 runs at once, with a step of 200 ms" },
];

const JOBS = 500;
/** Orders that a worker executes at once. */
const CONCURRENCY = 10;

/** The same work for 1, 2 and 4 processes: instances on one Postgres, and workers that pull from Redis and Postgres. */
export async function processes({ quick }) {
  const samples = quick ? 1 : 5;
  const app = await createApp(workflows);
  await app.build();
  const rows = [];
  for (const load of loads) {
    rows.push(await row(load.what, (count) => instances(app, count, load, samples)));
  }
  for (const backend of ["redis", "postgres"]) {
    const what = `run of ${JOBS} jobs of 50 ms, workers pull from ${backend === "redis" ? "Redis" : "Postgres"}`;
    rows.push(await row(what, (count) => workers(app, backend, count, samples)));
  }
  return {
    text: [
      table(
        ["what", ...counts.map((count) => `${count} ${count === 1 ? "process" : "processes"}`)],
        rows,
      ),
      `Each cell is a median, with the fastest, the slowest and the number of samples, after a warm-up, all on one machine and on loopback: clients, processes, ${durability} and Redis at its defaults share its processors, so that what needs a processor does not get faster with more processes. Instances are built servers, asked in turn. A worker is \`orchestrator worker --concurrency ${CONCURRENCY}\`, in front of one orchestrator; ${JOBS} jobs of 50 ms are ${(JOBS * 50) / CONCURRENCY / 1000} s of work for one.`,
    ].join("\n\n"),
    versions: Object.fromEntries(
      await Promise.all(
        ["@workflow/world-postgres", "graphile-worker", "bullmq"].map(async (name) => [
          name,
          await ownVersion(name),
        ]),
      ),
    ),
  };
}

async function row(what, measure) {
  const cells = [];
  for (const count of counts) {
    const times = await scoped(() => measure(count));
    cells.push(cellText(times));
    console.log(`${what} | ${count} | ${cells.at(-1)}`);
  }
  return [what, ...cells];
}

/** Runs started at all instances in turn, each awaited where it was started. */
async function instances(app, count, { workflow, runs }, samples) {
  const env = {
    WORKFLOW_TARGET_WORLD: "@workflow/world-postgres",
    WORKFLOW_POSTGRES_URL: await startPostgres(),
  };
  const servers = [];
  for (let i = 0; i < count; i++) servers.push(await open(app, env));
  const all = () =>
    Promise.all(
      Array.from({ length: runs }, (_, index) =>
        runWorkflow(`${servers[index % count].url}/api/orchestrator/${workflow}`),
      ),
    );
  return sample(all, samples);
}

/** One run over regions whose jobs wait for workers. */
async function workers(app, backend, count, samples) {
  const dir = await folder("workers");
  const url = backend === "redis" ? await startRedis() : await startPostgres();
  const server = await open(app, { [`ORCHESTRATOR_${backend.toUpperCase()}_URL`]: url });
  const file = join(dir, "runners.mjs");
  await writeFile(file, runners);
  for (let i = 0; i < count; i++) await startWorker(dir, file, backend, url);
  const body = JSON.stringify({
    mode: backend,
    runners: Array.from({ length: JOBS }, (_, index) => ({
      name: "probe",
      input: { url: `https://shop.example/page/${index}` },
    })),
  });
  return sample(() => runJobs(`${server.url}/api/orchestrator`, body), samples);
}

async function sample(take, samples) {
  await take();
  const times = [];
  for (let i = 0; i < samples; i++) {
    const began = performance.now();
    await take();
    times.push(performance.now() - began);
  }
  return times;
}

async function open(app, env) {
  const cwd = await folder("instance");
  return app.start({ cwd, env: { ORCHESTRATOR_DATA_DIR: join(cwd, ".orchestrator"), ...env } });
}

function startWorker(cwd, file, backend, url) {
  const { bin } = manifest;
  const args = ["worker", "--runners", file, `--${backend}`, url];
  return start(
    process.execPath,
    [join(root, bin.orchestrator), ...args, "--concurrency", String(CONCURRENCY)],
    { cwd, ready: /pull/i },
  );
}

const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));

async function startRedis() {
  const port = await freePort();
  await start("redis-server", ["--port", String(port), "--bind", "127.0.0.1"], {
    cwd: await folder("redis"),
    ready: /Ready to accept connections/,
    endWith: "SIGKILL",
  });
  return `redis://127.0.0.1:${port}`;
}

async function runWorkflow(base) {
  const { runId } = await json(base, { method: "POST" });
  for (;;) {
    const response = await fetch(`${base}?runId=${runId}&wait=30`);
    const answer = await response.json();
    if (response.status === 200) return;
    if (response.status !== 202)
      throw new Error(`${base}: ${response.status} ${JSON.stringify(answer)}`);
  }
}

async function runJobs(api, body) {
  const { runId } = await json(api, { method: "POST", body });
  for (;;) {
    const { state, summary } = await json(`${api}/${runId}?wait=60`);
    if (state === "queued" || state === "running") continue;
    if (state === "completed" && summary.passed === JOBS) return;
    throw new Error(`${JOBS} jobs: ${state} ${JSON.stringify(summary)}`);
  }
}

async function json(url, init) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { ...init, ...(init && { headers }) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}

function cellText(times) {
  const s = (value) => `${(value / 1000).toFixed(2)} s`;
  return `${s(quantile(times))} (${s(quantile(times, 0))}–${s(quantile(times, 1))}; ${times.length})`;
}
