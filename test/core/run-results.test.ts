import { describe, expect, test } from "vitest";
import { runResults, runStatus, type RunFacts } from "../../src/core/run-results.ts";
import { createRunFold } from "../../src/core/run-state.ts";
import type { JournalEntry } from "../../src/types/journal.ts";
import type { PlannedJob } from "../../src/types/run.ts";
import type { RunnerResult } from "../../src/types/runner.ts";

const facts: RunFacts = { runId: "mine", state: "running", createdAt: 1000 };
const ended: RunFacts = { ...facts, state: "completed", completedAt: 4000 };

const job = (id: string, region?: string, names = ["x"]): PlannedJob => ({
  id,
  url: `https://${id}.example`,
  ...(region !== undefined && { region }),
  runners: names.map((name) => ({ name })),
});

/** The entry of a job that was answered with results of these statuses by these runners. */
function completed(jobId: string, statuses: Record<string, string>): JournalEntry {
  const results = Object.entries(statuses).map(
    ([name, status]) => ({ name, status }) as RunnerResult,
  );
  const result = { jobId, server: "s1", results, attempts: [], durationMs: 7 };
  return { type: "job.completed", jobId, at: 2000, durationMs: 7, result };
}

function fold(jobs: PlannedJob[], ...entries: JournalEntry[]) {
  const folded = createRunFold(jobs);
  for (const entry of entries) folded.apply(entry);
  return folded;
}

describe("status", () => {
  test("has the wire's fields, live counts and ISO times", () => {
    const folded = fold([job("a"), job("b"), job("c")], completed("a", { x: "fail" }), {
      type: "job.timed_out",
      jobId: "b",
      at: 3000,
      error: "late",
    });
    expect(runStatus(folded, { ...facts, tags: ["nightly"] })).toEqual({
      runId: "mine",
      state: "running",
      totalJobs: 3,
      completedJobs: 1,
      failedJobs: 1,
      createdAt: "1970-01-01T00:00:01.000Z",
      updatedAt: "1970-01-01T00:00:03.000Z",
      tags: ["nightly"],
    });
  });

  test("of a run without entries was updated when it was created, of an ended one when it ended", () => {
    expect(runStatus(fold([job("a")]), facts).updatedAt).toBe("1970-01-01T00:00:01.000Z");
    expect(runStatus(fold([job("a")]), ended).updatedAt).toBe("1970-01-01T00:00:04.000Z");
  });
});

describe("results", () => {
  test("have jobs in insertion order and leave out what is absent", () => {
    const folded = fold([job("a", "eu"), job("b")], {
      type: "job.failed",
      jobId: "b",
      at: 1500,
      error: "no server",
    });
    expect(runResults(folded, facts)).toEqual({
      runId: "mine",
      state: "running",
      jobs: [
        { jobId: "a", url: "https://a.example", region: "eu", state: "queued", results: [] },
        {
          jobId: "b",
          url: "https://b.example",
          state: "failed",
          results: [],
          error: "no server",
          completedAt: "1970-01-01T00:00:01.500Z",
        },
      ],
      summary: { total: 0, passed: 0, failed: 0, errored: 0 },
      regions: {
        eu: { total: 0, passed: 0, failed: 0, errored: 0, jobs: 1, failedJobs: 0 },
        default: { total: 0, passed: 0, failed: 0, errored: 0, jobs: 1, failedJobs: 1 },
      },
      runners: {
        x: {
          eu: { total: 0, passed: 0, failed: 0, errored: 0 },
          default: { total: 0, passed: 0, failed: 0, errored: 0 },
        },
      },
      createdAt: "1970-01-01T00:00:01.000Z",
    });
  });

  test("count results by status over all jobs, by region, and by runner and region", () => {
    const folded = fold(
      [job("a", "eu", ["x", "y"]), job("b", "us", ["x", "y"]), job("c", "us")],
      completed("a", { x: "pass", y: "fail" }),
      completed("b", { x: "error", y: "pass" }),
      completed("c", { x: "pass" }),
    );
    const { summary, regions, runners } = runResults(folded, facts);
    expect(summary).toEqual({ total: 5, passed: 3, failed: 1, errored: 1 });
    expect(regions).toEqual({
      eu: { total: 2, passed: 1, failed: 1, errored: 0, jobs: 1, failedJobs: 0 },
      us: { total: 3, passed: 2, failed: 0, errored: 1, jobs: 2, failedJobs: 0 },
    });
    expect(runners).toEqual({
      x: {
        eu: { total: 1, passed: 1, failed: 0, errored: 0 },
        us: { total: 2, passed: 1, failed: 0, errored: 1 },
      },
      y: {
        eu: { total: 1, passed: 0, failed: 1, errored: 0 },
        us: { total: 1, passed: 1, failed: 0, errored: 0 },
      },
    });
  });

  test("take regions and runners by the name of what every object has for names", () => {
    const odd = { ...job("a", "__proto__"), runners: [{ name: "constructor" }] };
    const { regions, runners } = runResults(
      fold([odd], completed("a", { constructor: "pass" })),
      facts,
    );
    expect(Object.keys(regions)).toEqual(["__proto__"]);
    expect(Object.keys(runners)).toEqual(["constructor"]);
    expect(Object.keys(runners.constructor!)).toEqual(["__proto__"]);
    expect({}).not.toHaveProperty("jobs");
  });

  test("have the times of an ended run, and of a running one its durations so far", () => {
    const folded = fold([job("a")], { type: "job.started", jobId: "a", at: 1200 });
    expect(runResults(folded, facts, 1700)).toMatchObject({
      durationMs: 700,
      jobs: [{ startedAt: "1970-01-01T00:00:01.200Z", durationMs: 500 }],
    });
    expect(runResults(folded, { ...ended, error: "gone" }, 9000)).toMatchObject({
      completedAt: "1970-01-01T00:00:04.000Z",
      durationMs: 3000,
      error: "gone",
    });
  });

  test.each([
    ["pass", { eu: ["pass", "pass"], us: ["pass"] }],
    ["partial", { eu: ["pass", "fail"], us: ["pass"] }],
    ["partial", { eu: ["pass"], us: ["error"] }],
    ["fail", { eu: ["pass", "fail"], us: ["fail"] }],
    ["fail", { eu: ["pass", "unanswered"] }],
  ])(
    "have the outcome %s over %j, once the run has ended",
    (outcome, regions: Record<string, string[]>) => {
      const all = Object.entries(regions).flatMap(([region, statuses]) =>
        statuses.map((status, n) => ({ status, planned: job(`${region}${n}`, region) })),
      );
      const folded = fold(
        all.map(({ planned }) => planned),
        ...all
          .filter(({ status }) => status !== "unanswered")
          .map(({ status, planned }) => completed(planned.id, { x: status })),
      );
      expect(runResults(folded, ended).outcome).toBe(outcome);
      expect(runResults(folded, facts)).not.toHaveProperty("outcome");
    },
  );
});
