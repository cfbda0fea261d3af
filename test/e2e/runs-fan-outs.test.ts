import { afterEach, beforeEach, expect, test } from "vitest";
import { finished, startRun, until } from "../_support/api.ts";
import { workDir } from "../_support/app.ts";
import { counted, createFleet, type Fleet, regions } from "../_support/fleet.ts";
import type { Received } from "../_support/runner-server.ts";

let fleet: Fleet;
beforeEach(() => void (fleet = createFleet()));
afterEach(() => fleet.stop());

function jobsOf(count: number): { id: string; url: string; region: string; runners: string[] }[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `j${index}`,
    url: `https://x.test/${index}`,
    region: "eu",
    runners: ["check"],
  }));
}

const idsOf = ({ jobs }: { jobs: { jobId: string }[] }): string[] => jobs.map(({ jobId }) => jobId);
const keysOf = (executes: readonly Received[]): string[] => executes.map(({ key }) => key!);

test.each(["spreadTwice", "spreadSideBySide"])(
  "%s: the same jobs are executed twice, under ids of their own",
  async (name) => {
    const gauge = { now: 0, most: 0 };
    const eu = await fleet.runnerServer(counted(gauge, 50));
    const app = await fleet.orchestrator(regions({ eu }));
    const runId = await startRun(app.url, name, { jobs: jobsOf(20), options: { concurrency: 3 } });
    const { body } = await finished(app.url, name, runId);
    const ids = jobsOf(20).map(({ id }) => id);
    expect(body.map(idsOf)).toEqual([ids, ids.map((id) => `${id}~2`)]);
    expect(keysOf(eu.executes).toSorted()).toEqual(
      [...ids, ...ids.map((id) => `${id}~2`)].map((id) => `${runId}/${id}`).toSorted(),
    );
    // Each fan-out has a window of its own.
    expect(gauge.most).toBe(name === "spreadTwice" ? 3 : 6);
  },
);

test("ids that look like those of another fan-out are still their own", async () => {
  const eu = await fleet.runnerServer();
  const app = await fleet.orchestrator(regions({ eu }));
  const jobs = jobsOf(2).map((job, index) => ({ ...job, id: ["a", "a~2"][index] }));
  const runId = await startRun(app.url, "spreadTwice", { jobs });
  const { body } = await finished(app.url, "spreadTwice", runId);
  expect(body.map((aggregate: { state: string }) => aggregate.state)).toEqual([
    "completed",
    "completed",
  ]);
  expect(new Set(keysOf(eu.executes)).size).toBe(4);
});

test("in steps of the user's own: every fan-out is executed, under keys of its own, in its window", async () => {
  const gauge = { now: 0, most: 0 };
  const eu = await fleet.runnerServer(counted(gauge, 50));
  const app = await fleet.orchestrator(regions({ eu }));
  const body = { jobs: jobsOf(10), options: { concurrency: 2 } };
  for (const _ of ["a run", "another"]) {
    eu.executes.length = 0;
    const runId = await startRun(app.url, "spreadInSteps", body);
    const { body: aggregates } = await finished(app.url, "spreadInSteps", runId);
    expect(aggregates).toHaveLength(5);
    for (const { state, jobs } of aggregates) {
      expect(state).toBe("completed");
      expect(jobs.map(({ url }: { url: string }) => url)).toEqual(jobsOf(10).map((j) => j.url));
    }
    const keys = keysOf(eu.executes);
    expect(keys).toHaveLength(50);
    expect(new Set(keys).size).toBe(50);
    expect(keys.every((key) => key.startsWith(`${runId}/j`))).toBe(true);
  }
  expect(gauge.most).toBe(6);
});

const refusals: [object, string][] = [
  [{ concurrency: 0 }, "concurrency must be an integer of at least 1 (got 0)"],
  [{ concurrency: 1.5 }, "concurrency must be an integer of at least 1 (got 1.5)"],
  [{ timeout: -1 }, "timeout must be an integer of at least 1 (got -1)"],
  [
    { executor: "ssh" },
    'executor must be one of http, local, redis, postgres, kubernetes (got "ssh")',
  ],
  [{ failurePolicy: "most" }, 'failurePolicy must be "all", "any"'],
  [{ failurePolicy: { quorum: 0 } }, 'failurePolicy must be "all", "any"'],
  [{ failurePolicy: { allowFailures: -1 } }, 'failurePolicy must be "all", "any"'],
  [{}, 'jobs[1].id must be unique among the jobs (got "j0")'],
];

test("options and ids that are refused are named, and nothing is sent", async () => {
  const eu = await fleet.runnerServer();
  const app = await fleet.orchestrator(regions({ eu }));
  const answers = await Promise.all(
    refusals.map(async ([options]) => {
      const jobs = Object.keys(options).length > 0 ? jobsOf(1) : [...jobsOf(1), ...jobsOf(1)];
      const runId = await startRun(app.url, "spreadBadly", { jobs, options });
      return (await finished(app.url, "spreadBadly", runId)).body;
    }),
  );
  expect(answers).toEqual(
    refusals.map(([, message]) => ({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(`fanOut: ${message}`),
    })),
  );
  expect(eu.executes).toEqual([]);
});

test("kill -9 in a step of the user's own: it is executed again, under the same keys", async () => {
  const gauge = { now: 0, most: 0 };
  const eu = await fleet.runnerServer(counted(gauge, 50));
  const cwd = workDir();
  const first = await fleet.orchestrator(regions({ eu }), { cwd });
  const body = { jobs: jobsOf(10), options: { concurrency: 2 } };
  const runId = await startRun(first.url, "spreadInSteps", body);
  await until(() => new Set(keysOf(eu.executes)).size >= 40);
  await first.stop("SIGKILL");
  const second = await fleet.orchestrator(regions({ eu }), { cwd });
  const { body: aggregates } = await finished(second.url, "spreadInSteps", runId);
  expect(aggregates.map(({ state }: { state: string }) => state)).toEqual(
    Array.from({ length: 5 }, () => "completed"),
  );
  expect(new Set(keysOf(eu.executes)).size).toBe(50);
});

test("kill -9 in the second of two fan-outs: what was answered is not sent again, the window holds", async () => {
  const gauge = { now: 0, most: 0 };
  const eu = await fleet.runnerServer(counted(gauge));
  const cwd = workDir();
  const first = await fleet.orchestrator(regions({ eu }), { cwd });
  const jobs = jobsOf(120);
  const runId = await startRun(first.url, "spreadTwice", { jobs, options: { concurrency: 5 } });
  await until(() => eu.executes.length >= 180);
  await first.stop("SIGKILL");
  await until(() => gauge.now === 0);
  const before = keysOf(eu.executes);
  const second = await fleet.orchestrator(regions({ eu }), { cwd });
  const { body } = await finished(second.url, "spreadTwice", runId);
  expect(body.map((aggregate: { summary: unknown }) => aggregate.summary)).toEqual([
    { total: 120, passed: 120, failed: 0, errored: 0 },
    { total: 120, passed: 120, failed: 0, errored: 0 },
  ]);
  const again = keysOf(eu.executes)
    .slice(before.length)
    .filter((key) => before.includes(key));
  // Those that were in flight, all of the second fan-out.
  expect(again.length).toBeLessThanOrEqual(5);
  expect(again.every((key) => key.endsWith("~2"))).toBe(true);
  expect(new Set(keysOf(eu.executes)).size).toBe(240);
  expect(gauge.most).toBe(5);
});
