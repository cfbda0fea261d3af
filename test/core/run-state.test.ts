import { describe, expect, test } from "vitest";
import { createRunFold, endStateOf, shortfallOf } from "../../src/core/run-state.ts";
import type { JournalEntry } from "../../src/types/journal.ts";
import type { FailurePolicy, JobCounts, PlannedJob } from "../../src/types/run.ts";
import type { RunnerResult } from "../../src/types/runner.ts";

const job = (id: string, names = ["x"]): PlannedJob => ({
  id,
  url: "https://a.example",
  region: "eu",
  runners: names.map((name) => ({ name })),
});

function completed(
  jobId: string,
  results: unknown = [{ name: "x", status: "pass" }],
  at = 100,
): JournalEntry {
  const result = {
    jobId,
    server: "s1",
    results: results as RunnerResult[],
    attempts: [],
    durationMs: 7,
  };
  return { type: "job.completed", jobId, at, durationMs: 7, result };
}

/** A fold of jobs `a`, `b`, … with these entries. */
function fold(jobs: number, ...entries: JournalEntry[]) {
  const folded = createRunFold(Array.from({ length: jobs }, (_, n) => job("abcdef"[n]!)));
  for (const entry of entries) folded.apply(entry);
  return folded;
}

describe("a job", () => {
  test("is queued, then runs, then has ended with what its server answered", () => {
    const folded = fold(1);
    expect(folded.jobs[0]).toMatchObject({ state: "queued", results: [] });
    folded.apply({ type: "job.started", jobId: "a", at: 10 });
    expect(folded.jobs[0]).toMatchObject({ state: "running", startedAt: 10 });
    folded.apply(completed("a"));
    expect(folded.jobs[0]).toMatchObject({
      state: "completed",
      startedAt: 10,
      completedAt: 100,
      durationMs: 7,
      server: "s1",
      results: [{ name: "x", status: "pass" }],
      passed: true,
    });
  });

  test("that waits says why, until it starts or ends", () => {
    const waiting: JournalEntry = { type: "job.waiting", jobId: "a", at: 1, reason: "all full" };
    const folded = fold(1, waiting);
    expect(folded.jobs[0]).toMatchObject({ state: "queued", waiting: "all full" });
    folded.apply({ type: "job.started", jobId: "a", at: 2 });
    expect(folded.jobs[0]).not.toHaveProperty("waiting");
    folded.apply(waiting);
    expect(folded.jobs[0]).toMatchObject({ state: "running", waiting: "all full" });
    folded.apply(completed("a"));
    expect(folded.jobs[0]).not.toHaveProperty("waiting");
  });

  test("keeps its first start when it is started again", () => {
    const folded = fold(
      1,
      { type: "job.started", jobId: "a", at: 10 },
      { type: "job.started", jobId: "a", at: 50 },
    );
    expect(folded.jobs[0]!.startedAt).toBe(10);
  });

  test("whose start is not in the journal began its duration before its end", () => {
    expect(fold(1, completed("a")).jobs[0]!.startedAt).toBe(93);
  });

  test("has its first end only, and nothing after it counts", () => {
    const folded = fold(
      1,
      { type: "job.timed_out", jobId: "a", at: 5, error: "late" },
      completed("a"),
      { type: "job.started", jobId: "a", at: 200 },
      { type: "job.waiting", jobId: "a", at: 300, reason: "full" },
      { type: "job.failed", jobId: "a", at: 400, error: "again" },
    );
    expect(folded.jobs[0]).toMatchObject({ state: "timed_out", error: "late", results: [] });
    expect(folded.jobs[0]).not.toHaveProperty("waiting");
    expect(folded.counts).toMatchObject({ completed: 0, failed: 1, timedOut: 1 });
    expect(folded.updatedAt).toBe(5);
  });

  test("of another run is nobody's", () => {
    const folded = fold(1, completed("zzz"), completed("__proto__"));
    expect(folded.counts).toMatchObject({ total: 1, completed: 0 });
    expect(folded.updatedAt).toBeUndefined();
  });

  test("has an unknown status as an error, and a missing name as the requested one", () => {
    const folded = createRunFold([job("a", ["x", "y", "z"])]);
    folded.apply(completed("a", [{ name: "x", status: "great" }, { status: "pass" }]));
    expect(folded.jobs[0]!.results).toEqual([
      { name: "x", status: "error", errorMessage: 'Unknown status "great"' },
      { name: "y", status: "pass" },
      expect.objectContaining({ name: "z", status: "error" }),
    ]);
    expect(folded.jobs[0]!.passed).toBe(false);
  });

  test("without a list of results has failed", () => {
    const folded = fold(1, completed("a", null));
    expect(folded.jobs[0]).toMatchObject({
      state: "failed",
      error: "The job ended without results",
    });
    expect(folded.counts).toMatchObject({ completed: 0, failed: 1 });
  });
});

describe("counts", () => {
  test("are live: completed, and failed with the timed out among them", () => {
    const folded = fold(5);
    expect(folded.counts).toEqual({
      total: 5,
      completed: 0,
      failed: 0,
      timedOut: 0,
      cancelled: 0,
      passed: 0,
    });
    folded.apply(completed("a"));
    folded.apply(completed("b", [{ name: "x", status: "fail" }]));
    folded.apply({ type: "job.failed", jobId: "c", at: 1, error: "" });
    folded.apply({ type: "job.timed_out", jobId: "d", at: 1, error: "" });
    folded.apply({ type: "job.cancelled", jobId: "e", at: 1, error: "" });
    expect(folded.counts).toEqual({
      total: 5,
      completed: 2,
      failed: 2,
      timedOut: 1,
      cancelled: 1,
      passed: 1,
    });
  });

  test("come with the latest time, whatever the order of the entries", () => {
    const folded = fold(2, completed("a", undefined, 500), {
      type: "job.started",
      jobId: "b",
      at: 400,
    });
    expect(folded.updatedAt).toBe(500);
  });
});

test("the end of a run ends what of it has not ended", () => {
  const folded = fold(3, completed("a"), { type: "job.started", jobId: "b", at: 1 });
  folded.end("cancelled", 900);
  expect(folded.jobs.map(({ state }) => state)).toEqual(["completed", "cancelled", "cancelled"]);
  expect(folded.jobs[2]).toMatchObject({
    completedAt: 900,
    error: "The run ended before the job: cancelled",
  });
  expect(folded.counts).toMatchObject({ completed: 1, failed: 0, cancelled: 2 });
});

describe("the state an ended run is in", () => {
  const counts = (more: Partial<JobCounts>): JobCounts => ({
    total: 4,
    completed: 4,
    failed: 0,
    timedOut: 0,
    cancelled: 0,
    passed: 4,
    ...more,
  });
  const failing = counts({ passed: 2 });
  const down = counts({ completed: 3, failed: 1, passed: 3 });
  const late = counts({ completed: 2, failed: 2, timedOut: 1, passed: 2 });

  test.each<[string, JobCounts, FailurePolicy | undefined, boolean, string]>([
    ["completed when all jobs are", counts({}), undefined, false, "completed"],
    ["completed in spite of failing results", failing, undefined, false, "completed"],
    ["failed when a job failed", down, undefined, false, "failed"],
    ["timed_out before failed", late, undefined, false, "timed_out"],
    ["timed_out when its own timeout passed", counts({}), undefined, true, "timed_out"],
    ["all: completed when every job passed", counts({}), "all", false, "completed"],
    ["all: failed when one did not", counts({ passed: 3 }), "all", false, "failed"],
    ["any: completed when one passed", counts({ passed: 1 }), "any", false, "completed"],
    ["any: failed when none did", counts({ passed: 0 }), "any", false, "failed"],
    ["any: completed in spite of a job that timed out", late, "any", false, "completed"],
    ["any: completed in spite of the run's own timeout", late, "any", true, "completed"],
    ["allowFailures: so many may not pass", failing, { allowFailures: 2 }, false, "completed"],
    ["allowFailures: one more may not", failing, { allowFailures: 1 }, false, "failed"],
    ["quorum: so many pass", failing, { quorum: 2 }, false, "completed"],
    ["quorum: one less does not do", failing, { quorum: 3 }, false, "failed"],
    ["unsatisfied, timed_out when a job timed out", late, "all", false, "timed_out"],
    ["unsatisfied, timed_out when the run's timeout passed", down, "all", true, "timed_out"],
    ["unsatisfied, failed when a job failed", down, "all", false, "failed"],
  ])("is %s", (_what, given, policy, timedOut, state) => {
    expect(endStateOf(given, { policy, timedOut })).toBe(state);
  });
});

test("10,000 jobs fold in a fraction of a second", () => {
  const jobs = Array.from({ length: 10_000 }, (_, n) => job(`job_${n}`, ["x", "y"]));
  const entries = jobs.flatMap(({ id }): JournalEntry[] => [
    { type: "job.started", jobId: id, at: 1 },
    completed(id, [
      { name: "x", status: "pass" },
      { name: "y", status: "fail" },
    ]),
  ]);
  const before = performance.now();
  const folded = createRunFold(jobs);
  for (const entry of entries) folded.apply(entry);
  expect(performance.now() - before).toBeLessThan(250);
  expect(folded.counts).toMatchObject({ total: 10_000, completed: 10_000, passed: 0 });
});

test.each([
  [{ total: 3, failed: 1 }, "1 of 3 jobs failed"],
  [{ total: 3, failed: 2, timedOut: 1 }, "2 of 3 jobs failed, 1 of them timed out"],
  [{ total: 4, completed: 4, passed: 3 }, "1 of 4 jobs did not pass"],
])("of %j is said: %s", (given, text) => {
  const none = { completed: 0, failed: 0, timedOut: 0, cancelled: 0, passed: 0 };
  expect(shortfallOf({ ...none, ...given })).toBe(text);
});
