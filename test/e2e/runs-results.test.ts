import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { workDir } from "../_support/app.ts";
import { counted, createFleet, type Fleet, regions } from "../_support/fleet.ts";
import { passing, type Received } from "../_support/runner-server.ts";
import type { RunResults, RunStatus } from "../../src/types/run.ts";

let fleet: Fleet;
beforeEach(() => void (fleet = createFleet()));
afterEach(() => fleet.stop());

async function submit(base: string, count: number, more = {}): Promise<string> {
  const { status, body } = await send(`${base}/api/orchestrator`, {
    mode: "remote",
    regions: ["eu"],
    runners: Array.from({ length: count }, (_, index) => ({
      name: "check",
      input: { url: `https://x.test/${index}` },
    })),
    runId: "night",
    ...more,
  });
  expect(status, JSON.stringify(body)).toBe(200);
  return `${base}/api/orchestrator/night`;
}

const results = async (run: string, query = ""): Promise<RunResults> =>
  (await send(`${run}${query}`)).body;
const status = async (run: string, query = ""): Promise<RunStatus> =>
  (await send(`${run}/status${query}`)).body;

/** A server whose jobs are answered when the test says so. */
function gate(): {
  reply: (received: Received, response: ServerResponse) => void;
  held: (() => void)[];
} {
  const held: (() => void)[] = [];
  return { held, reply: (...args) => void held.push(() => passing(...args)) };
}

test("results come in as jobs end, and ?wait= holds the answer back until the run has", async () => {
  const { held, reply } = gate();
  const eu = await fleet.runnerServer(reply);
  const app = await fleet.orchestrator(regions({ eu }));
  const run = await submit(app.url, 4, { concurrency: 2, tags: ["nightly"] });
  for (let ended = 0; ended < 3; ended++) {
    await until(() => held.length === Math.min(ended + 2, 4));
    expect(await status(run)).toMatchObject({
      state: "running",
      totalJobs: 4,
      completedJobs: ended,
      failedJobs: 0,
      tags: ["nightly"],
    });
    held[ended]!();
    await until(async () => (await status(run)).completedJobs === ended + 1);
    const { jobs, summary, ...partial } = await results(run);
    expect(summary).toEqual({ total: ended + 1, passed: ended + 1, failed: 0, errored: 0 });
    expect(jobs.map(({ results: { length } }) => length)).toEqual(
      jobs.map((_, index) => (index <= ended ? 1 : 0)),
    );
    expect(partial).not.toHaveProperty("outcome");
    expect(partial).not.toHaveProperty("completedAt");
  }
  // Time is up before the run's end, then the run's end before the time.
  expect(await results(run, "?wait=1")).toMatchObject({ state: "running" });
  const waiting = [results(run, "?wait=30"), status(run, "?wait=30")] as const;
  held[3]!();
  const [ended, endedStatus] = await Promise.all(waiting);
  expect(ended).toMatchObject({ state: "completed", outcome: "pass", summary: { passed: 4 } });
  expect(endedStatus).toMatchObject({ state: "completed", completedJobs: 4 });
});

test("counts only rise, over failures and a kill -9, and end as the results say", async () => {
  const gauge = { now: 0, most: 0 };
  const eu = await fleet.runnerServer(
    counted(gauge, 10, (received, response) =>
      Number(received.body.url!.split("/").at(-1)) % 5 === 0
        ? void response.writeHead(400).end("{}")
        : passing(received, response),
    ),
  );
  const cwd = workDir();
  const first = await fleet.orchestrator(regions({ eu }), { cwd });
  let run = await submit(first.url, 300, { concurrency: 6 });
  const seen: RunStatus[] = [];
  const poll = async (): Promise<RunStatus> => {
    seen.push(await status(run));
    return seen.at(-1)!;
  };
  await until(async () => (await poll()).completedJobs >= 80);
  const before = await results(run);
  await first.stop("SIGKILL");
  const second = await fleet.orchestrator(regions({ eu }), { cwd });
  run = `${second.url}/api/orchestrator/night`;
  // What was told before is told after, at once.
  const after = await results(run);
  for (const [index, job] of before.jobs.entries()) {
    if (job.completedAt === undefined) continue;
    expect(after.jobs[index]).toEqual(job);
  }
  await until(async () => (await poll()).state !== "running", 30_000);
  for (const field of ["completedJobs", "failedJobs"] as const) {
    const counts = seen.map((one) => one[field]);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  }
  expect(seen.map(({ updatedAt }) => updatedAt)).toEqual(
    seen.map(({ updatedAt }) => updatedAt).toSorted(),
  );
  expect(seen.at(-1)).toMatchObject({ state: "failed", completedJobs: 240, failedJobs: 60 });
  const { jobs } = await results(run);
  expect(jobs.filter(({ state }) => state === "failed")).toHaveLength(60);
});

test("an ended run's status and results are the same after a restart", async () => {
  const eu = await fleet.runnerServer();
  const cwd = workDir();
  const first = await fleet.orchestrator(regions({ eu }), { cwd });
  const run = await submit(first.url, 60);
  expect((await results(run, "?wait=30")).state).toBe("completed");
  const told = [await status(run), await results(run)];
  await first.stop("SIGKILL");
  const second = await fleet.orchestrator(regions({ eu }), { cwd });
  const same = `${second.url}/api/orchestrator/night`;
  expect([await status(same, "?wait=30"), await results(same)]).toEqual(told);
  expect(eu.executes).toHaveLength(60);
});
