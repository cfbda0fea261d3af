import * as fc from "fast-check";
import { expect, test } from "vitest";
import { aggregateResults } from "../../src/core/aggregate.ts";
import { OrchestratorError } from "../../src/core/errors.ts";
import type { JobResult, RunnerJob } from "../../src/types/run.ts";
import type { RunnerResult } from "../../src/types/runner.ts";

// The same cases in every run.
fc.configureGlobal({ seed: 1 });

const job: RunnerJob = { id: "j1", url: "https://x.test", runners: ["a", "b"], region: "eu" };
const attempt = {
  number: 1,
  server: "s1",
  startedAt: "",
  durationMs: 1,
  outcome: "answered" as const,
};

function result(...statuses: string[]): JobResult {
  return {
    jobId: "j1",
    server: "s1",
    region: "eu",
    results: statuses.map((status, n) => ({ name: `r${n}`, status }) as RunnerResult),
    attempts: [attempt],
    durationMs: 7,
  };
}

const fulfilled = (value: unknown): PromiseSettledResult<unknown> => ({
  status: "fulfilled",
  value,
});
const rejected = (reason: unknown): PromiseSettledResult<unknown> => ({
  status: "rejected",
  reason,
});

test("a job's result becomes a completed job", () => {
  expect(aggregateResults([fulfilled(result("pass"))], [job]).jobs).toEqual([
    {
      jobId: "j1",
      url: "https://x.test",
      region: "eu",
      state: "completed",
      server: "s1",
      results: [{ name: "r0", status: "pass" }],
      attempts: [attempt],
      durationMs: 7,
    },
  ]);
});

test("a result wrapped with its job and server is read alike", () => {
  const wrapped = fulfilled({ job, server: "s1", result: result("pass") });
  expect(aggregateResults([wrapped], [job])).toEqual(
    aggregateResults([fulfilled(result("pass"))], [job]),
  );
});

test("a wrapped bare reply takes its server from the wrapper", () => {
  const wrapped = fulfilled({ job, server: "s9", result: { results: [] } });
  expect(aggregateResults([wrapped], [job]).jobs[0]).toMatchObject({
    server: "s9",
    state: "completed",
  });
});

test("failing results do not fail the run", () => {
  expect(aggregateResults([fulfilled(result("fail", "error"))], [job]).state).toBe("completed");
});

test("a rejected job fails with its reason's message", () => {
  expect(aggregateResults([rejected(new Error("no server"))], [job]).jobs[0]).toEqual({
    jobId: "j1",
    url: "https://x.test",
    region: "eu",
    state: "failed",
    results: [],
    error: "no server",
  });
});

test("a rejected job keeps the attempts its error tells of", () => {
  const error = new OrchestratorError("ATTEMPTS_EXHAUSTED", "x", {
    data: { jobId: "j7", attempts: [attempt] },
  });
  expect(aggregateResults([rejected(error)], [{ runners: ["a"] }]).jobs[0]).toMatchObject({
    jobId: "j7",
    attempts: [attempt],
  });
});

test("a job rejected by a timeout is timed out", () => {
  const error = new OrchestratorError("SERVER_TIMEOUT", "slow");
  expect(aggregateResults([rejected(error)], [job]).jobs[0]).toMatchObject({ state: "timed_out" });
});

test("the code counts also where the error lost its class", () => {
  const error = { code: "SERVER_TIMEOUT", message: "slow" };
  expect(aggregateResults([rejected(error)], [job]).jobs[0]).toMatchObject({
    state: "timed_out",
    error: "slow",
  });
});

test("a failed job fails the run", () => {
  const settled = [fulfilled(result("pass")), rejected(new Error("x"))];
  expect(aggregateResults(settled, [job, job]).state).toBe("failed");
});

test("a timed-out job outranks a failed one", () => {
  const settled = [
    rejected(new OrchestratorError("SERVER_TIMEOUT", "x")),
    rejected(new Error("x")),
  ];
  expect(aggregateResults(settled, [job, job]).state).toBe("timed_out");
});

test("the summary counts results by status over all jobs, unknown ones as errored", () => {
  const settled = [fulfilled(result("pass", "fail")), fulfilled(result("error", "odd", "pass"))];
  expect(aggregateResults(settled, [job, job]).summary).toEqual({
    total: 5,
    passed: 2,
    failed: 1,
    errored: 2,
  });
});

test("a result without a name has the requested one", () => {
  const settled = [fulfilled({ ...result(), results: [{ status: "pass" }, { status: "pass" }] })];
  const jobs = [{ ...job, runners: ["a", { name: "b" }] }];
  expect(aggregateResults(settled, jobs).jobs[0]!.results.map(({ name }) => name)).toEqual([
    "a",
    "b",
  ]);
});

test("regions come in the order they are first seen, with default for none", () => {
  const jobs: RunnerJob[] = [
    { runners: ["a"], region: "us" },
    { runners: ["a"] },
    { runners: ["a"], region: "eu" },
    { runners: ["a"], region: "us" },
  ];
  const value = { results: [{ name: "a", status: "pass" }] };
  const settled = [
    fulfilled(value),
    fulfilled(value),
    rejected(new Error("x")),
    rejected(new Error("x")),
  ];
  const { regions } = aggregateResults(settled, jobs);
  expect(Object.entries(regions)).toEqual([
    ["us", { total: 1, passed: 1, failed: 0, errored: 0, jobs: 2, failedJobs: 1 }],
    ["default", { total: 1, passed: 1, failed: 0, errored: 0, jobs: 1, failedJobs: 0 }],
    ["eu", { total: 0, passed: 0, failed: 0, errored: 0, jobs: 1, failedJobs: 1 }],
  ]);
});

test("a region may have any name", () => {
  const { regions } = aggregateResults([rejected("x")], [{ runners: ["a"], region: "__proto__" }]);
  expect(Object.keys(regions)).toEqual(["__proto__"]);
});

test("a job nothing came of is failed", () => {
  expect(aggregateResults([], [job]).jobs[0]).toMatchObject({
    state: "failed",
    error: "The job ended without results",
  });
});

test("an outcome without a job is counted, and takes its job from the wrapper", () => {
  const wrapped = fulfilled({ job, server: "s1", result: { results: [] } });
  expect(aggregateResults([wrapped], []).jobs[0]).toMatchObject({ jobId: "j1", region: "eu" });
});

test("a job without an id is told by its place", () => {
  const jobs = [{ runners: ["a"] }, { runners: ["a"] }];
  expect(aggregateResults([], jobs).jobs.map(({ jobId }) => jobId)).toEqual(["job-1", "job-2"]);
});

test("no jobs are a completed run", () => {
  expect(aggregateResults([], [])).toEqual({
    state: "completed",
    jobs: [],
    summary: { total: 0, passed: 0, failed: 0, errored: 0 },
    regions: {},
  });
});

test("an outcome that throws when it is read is a failed job", () => {
  const hostile = {
    get status(): string {
      throw new Error("boo");
    },
  };
  expect(aggregateResults([hostile as never], [job]).jobs[0]).toMatchObject({ state: "failed" });
});

test("never throws, and counts every result once, whatever it is given", () => {
  const odd = fc.anything({ withBigInt: true, withSparseArray: true, withNullPrototype: true });
  const outcome = fc.oneof(
    odd,
    odd.map(fulfilled),
    odd.map(rejected),
    fc.array(odd).map((results) => fulfilled({ results })),
  );
  fc.assert(
    fc.property(fc.oneof(fc.array(outcome), odd), fc.oneof(fc.array(odd), odd), (settled, jobs) => {
      const { summary, jobs: read, regions } = aggregateResults(settled as never, jobs as never);
      expect(summary.passed + summary.failed + summary.errored).toBe(summary.total);
      expect(read.flatMap(({ results }) => results)).toHaveLength(summary.total);
      const counted = Object.values(regions).reduce((sum, region) => sum + region.jobs, 0);
      expect(counted).toBe(read.length);
    }),
  );
});
