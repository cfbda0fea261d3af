import { join } from "node:path";
import { createEmbeddedWorld } from "@runners/orchestrator/world";
import { createApp } from "../app.mjs";
import { quantile, table } from "../report.mjs";
import { folder } from "../scratch.mjs";

const RUNS = 10_000;
/** Runs that have not ended: they sleep. */
const ASLEEP = 50;
const BUDGET_MS = 20;
/** Time from one stored run to the next, so that they span weeks. */
const APART_MS = 180_000;

/** Of a hundred runs, how many end so. */
const ends = { completed: 70, failed: 15, timed_out: 10, cancelled: 5 };
const workflows = ["run", "run", "run", "check", "deploy"];

const workflow = `import { sleep } from "workflow";
export async function asleep() {
  "use workflow";
  await sleep("30d");
}
export async function check() {
  "use workflow";
}
export async function deploy() {
  "use workflow";
}
`;

/** What is asked for, by what it is called in the table; the times and the cursor are far back. */
const queries = ({ since, until, cursor }) => ({
  "no filter": "",
  "no filter, 100 a page": "limit=100",
  "100 a page, from the 90th": `limit=100&cursor=${encodeURIComponent(cursor)}`,
  "a workflow of most": "workflow=run",
  "a workflow of few": "workflow=asleep",
  "state of most": "state=completed",
  "state of some": "state=timed_out",
  "state of few": "state=running",
  "tag of half": "tag=even",
  "tag of 3": "tag=rare",
  "tag of none": "tag=nobody",
  "owner of half": "owner=odd",
  "owner of 3": "owner=rare",
  "an hour long ago": `since=${since}&until=${until}`,
  "tag of half and owner of the other half": "tag=even&owner=odd",
  "tag of all, owner of half, failed runs of a workflow":
    "tag=all&owner=odd&state=failed&workflow=check",
  "tag of all, owner and state of few": "tag=all&owner=rare&state=completed",
  "tag of half, timed out, 100 a page": "tag=even&state=timed_out&limit=100",
  "tag and owner of disjoint halves, in a week": `tag=even&owner=odd&since=${since}`,
});

/** How long `GET /runs` takes with 10,000 runs stored, by each filter and by several. */
export async function lists({ quick }) {
  const app = await createApp({ "workflows/all.ts": workflow });
  await app.build();
  const dataDir = await folder("lists");
  const stored = await store(join(dataDir, "store"));
  const { url } = await app.start({ cwd: dataDir, env: { ORCHESTRATOR_DATA_DIR: dataDir } });
  const api = `${url}/api/orchestrator`;
  // The store was written without lists by label, as by an earlier version.
  const began = performance.now();
  await ask(`${api}/runs?tag=rare`);
  const building = performance.now() - began;
  for (let index = 0; index < ASLEEP; index++) await ask(`${api}/asleep`, { method: "POST" });

  const rows = [];
  for (const [what, query] of Object.entries(queries({ ...stored, cursor: await deep(api) }))) {
    const times = [];
    let found = 0;
    for (let index = quick ? -2 : -30; index < (quick ? 10 : 300); index++) {
      const start = performance.now();
      const { runs } = await ask(`${api}/runs?${query}`);
      // The first few warm up what has not been asked for yet.
      if (index < 0) continue;
      times.push(performance.now() - start);
      found = runs.length;
    }
    rows.push({ what, times, found });
    console.log(rowOf(rows.at(-1)).join(" | "));
  }
  return { text: report(rows, building), versions: {} };
}

/** Stores runs that have ended, as the engine would, over some weeks; answers with an hour in the middle of them. */
async function store(dataDir) {
  let now = Date.now() - RUNS * APART_MS;
  const world = createEmbeddedWorld({ dataDir, now: () => now });
  const input = new TextEncoder().encode(`devl${JSON.stringify(["x".repeat(500)])}`);
  const since = now + 1000 * APART_MS;
  for (let index = 0; index < RUNS - ASLEEP; index++) {
    now += APART_MS;
    const name = workflows[index % workflows.length];
    const orchestrator = {
      tags: ["all", index % 2 === 0 ? "even" : "odd", ...(index % 4000 === 7 ? ["rare"] : [])],
      owner: index % 4000 === 9 ? "rare" : index % 2 === 0 ? "even" : "odd",
      metadata: { build: index },
    };
    const create = (runId, eventType, eventData) =>
      world.events.create(runId, { eventType, ...(eventData && { eventData }) });
    const id = name === "run" ? "@runners/orchestrator//run" : `./workflows/all//${name}`;
    const { run } = await create(null, "run_created", {
      deploymentId: "bench",
      workflowName: `workflow//${id}`,
      input,
      executionContext: { orchestrator },
    });
    const end = endOf(index);
    if (end === "cancelled") await create(run.runId, "run_cancelled");
    else {
      await create(run.runId, "run_started");
      const fails = name !== "run" && end === "failed";
      const output = new TextEncoder().encode(`devl${JSON.stringify([{ state: 1 }, end])}`);
      if (fails) await create(run.runId, "run_failed", { error: { message: "it broke" } });
      else await create(run.runId, "run_completed", { output });
    }
  }
  await world.close();
  return { since, until: since + 3_600_000 };
}

/** How a run ends; neighbours end differently. */
function endOf(index) {
  let rest = (index * 37) % 100;
  for (const [end, share] of Object.entries(ends)) {
    if (rest < share) return end;
    rest -= share;
  }
}

/** The cursor of the 90th page of 100. */
async function deep(api) {
  let cursor = "";
  for (let page = 0; page < 90; page++) {
    ({ cursor } = await ask(
      `${api}/runs?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    ));
  }
  return cursor;
}

async function ask(url, init) {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

function report(rows, building) {
  const medians = rows.map(({ what, times }) => ({ what, value: quantile(times) }));
  const slowest = medians.reduce((a, b) => (a.value > b.value ? a : b));
  const share = (slowest.value / BUDGET_MS).toFixed(2);
  const met = slowest.value <= BUDGET_MS ? "met" : "**missed**";
  return [
    table(["`GET /runs`", "runs found", "median", "p99", "max", "samples"], rows.map(rowOf)),
    `${RUNS.toLocaleString("en")} runs stored, of four workflows; each row is one client that asks again and again, over HTTP on loopback, in a process of its own.`,
    `- Budget of ${BUDGET_MS} ms ${met}: the slowest median is ${ms(slowest.value)}, ${share} of it ("${slowest.what}").`,
    `- The lists of a store without any, made at the start: the first answer that needs them came ${ms(building)} after it was asked for.`,
  ].join("\n\n");
}

function rowOf({ what, found, times }) {
  return [what, found, ...[0.5, 0.99, 1].map((share) => ms(quantile(times, share))), times.length];
}

function ms(value) {
  return value >= 100 ? `${value.toFixed(0)} ms` : `${value.toFixed(1)} ms`;
}
