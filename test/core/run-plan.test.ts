import { describe, expect, test } from "vitest";
import { assertRunId, jobsToRerun, runInput, runModeOf } from "../../src/core/run-plan.ts";
import type { FailurePolicy, RunJob, RunMode, RunRequest } from "../../src/types/run.ts";
import { page, plan, refusal, runner } from "./run-requests.ts";

/** A plan as `region url: names`, one line a job. */
function lines(request: RunRequest, mode?: RunMode): string[] {
  return plan(request, mode).map(
    ({ region, url, runners }) => `${region} ${url}: ${runners.map(({ name }) => name).join(" ")}`,
  );
}

describe("jobs", () => {
  test("remote: one a url and region, in insertion order, with all their runners", () => {
    const b = { url: "https://b.example" };
    const runners = [
      runner("x", { region: "us" }),
      runner("y", { region: "eu", input: b }),
      runner("z", { region: "us" }),
      runner("x", { region: "eu" }),
      runner("w", { region: "eu", input: b }),
    ];
    expect(lines({ runners })).toEqual([
      "us https://a.example: x z",
      "eu https://b.example: y w",
      "eu https://a.example: x",
    ]);
  });

  test("local: one a url, with the region its runners agree on", () => {
    const other = { url: "https://b.example" };
    const runners = [
      runner("x", { region: "us" }),
      runner("y", { input: other, region: "eu" }),
      runner("z"),
      runner("w", { input: other, region: "eu" }),
    ];
    expect(lines({ runners }, "local")).toEqual([
      "undefined https://a.example: x z",
      "eu https://b.example: y w",
    ]);
  });

  test("regions of the request and of a runner are expanded, a runner's own winning", () => {
    const runners = [
      runner("everywhere"),
      runner("one", { region: "us" }),
      runner("two", { regions: ["ap", "us"] }),
    ];
    expect(lines({ runners, regions: ["eu", "us"] })).toEqual([
      "eu https://a.example: everywhere",
      "us https://a.example: everywhere one two",
      "ap https://a.example: two",
    ]);
  });

  test("have ids of their own, and each runner keeps its input", () => {
    const input = { url: page, depth: 2 };
    expect(plan({ runners: [runner("x", { region: "eu", input })], regions: ["us"] })).toEqual([
      { id: "job_1", url: page, region: "eu", runners: [{ name: "x", input }] },
    ]);
  });

  test("the same runner twice is executed twice", () => {
    expect(lines({ runners: [runner("x"), runner("x")], regions: ["eu"] })).toEqual([
      "eu https://a.example: x x",
    ]);
  });

  test("names and urls that would run together under a plain separator stay apart", () => {
    const runners = [
      runner("x", { region: 'a","b', input: { url: page } }),
      runner("x", { region: "__proto__" }),
      runner("x", { region: "constructor" }),
    ];
    expect(plan({ runners }).map(({ region }) => region)).toEqual([
      'a","b',
      "__proto__",
      "constructor",
    ]);
  });
});

describe("mode", () => {
  test.each<[string, RunRequest, RunMode]>([
    ["the request's own", { mode: "local", regions: ["eu"] }, "local"],
    ["remote for a plan with regions", { mode: "plan", regions: ["eu"] }, "remote"],
    [
      "remote for a plan with a runner's region",
      { mode: "plan", runners: [runner("x"), runner("y", { region: "eu" })] },
      "remote",
    ],
    [
      "remote for a plan with a runner's regions",
      { mode: "plan", runners: [runner("y", { regions: ["eu"] })] },
      "remote",
    ],
    [
      "local for a plan where nothing names a region",
      { mode: "plan", runners: [runner("x")] },
      "local",
    ],
  ])("is %s", (_what, request, mode) => {
    expect(runModeOf(request)).toBe(mode);
  });

  test("is required", () => {
    expect(refusal(() => runModeOf({ runners: [] })).path).toEqual(["mode"]);
  });
});

describe("what a run is started with", () => {
  const jobs = plan({ runners: [runner("x")], regions: ["eu", "us"] });

  test("has the deadline its timeout makes of now, and nothing that was not asked for", () => {
    expect(runInput({ timeout: 500 }, "remote", jobs, { now: 1000 })).toEqual({
      jobs,
      mode: "remote",
      deadline: 1500,
    });
    expect(runInput({}, "local", jobs, { now: 1000 })).toEqual({ jobs, mode: "local" });
  });

  test.each<[FailurePolicy, string | undefined]>([
    [{ quorum: 2 }, undefined],
    [{ quorum: 3 }, "failurePolicy.quorum must be at most the number of jobs, 2 (got 3)"],
    [{ allowFailures: 3 }, undefined],
    ["all", undefined],
  ])("has a failure policy that can be satisfied: %j", (failurePolicy, message) => {
    const act = () => runInput({ failurePolicy }, "remote", jobs, { now: 0 });
    if (message === undefined) expect(act().failurePolicy).toEqual(failurePolicy);
    else expect(refusal(act)).toEqual({ message, path: ["failurePolicy", "quorum"] });
  });
});

test("a rerun has the jobs that did not pass, under new ids, as they were", () => {
  const planned = plan({ runners: [runner("x")], regions: ["pass", "fail", "down", "never"] });
  const ended = (index: number, more: Partial<RunJob>): RunJob => ({
    jobId: planned[index]!.id,
    state: "completed",
    results: [],
    ...more,
  });
  const again = jobsToRerun(
    planned,
    [
      ended(0, { results: [{ name: "x", status: "pass" }] }),
      ended(1, {
        results: [
          { name: "x", status: "pass" },
          { name: "x", status: "error" },
        ],
      }),
      ended(2, { state: "failed" }),
    ],
    { uuid: () => "new" },
  );
  expect(again.map(({ region }) => region)).toEqual(["fail", "down", "never"]);
  expect(again[0]).toEqual({ ...planned[1], id: "job_new" });
});

test.each([
  ["..", "is reserved"],
  ["run", "is reserved"],
  ["spec.json", "is reserved"],
  ["status", "is reserved"],
  ["greet", "is the name of a workflow"],
  ["wrun_1", "begins with wrun_, as only the engine's ids do"],
])("a run cannot be called %s", (runId, reason) => {
  expect(refusal(() => assertRunId(runId, ["greet"]))).toEqual({
    message: `runId must be another: "${runId}" ${reason}`,
    path: ["runId"],
  });
  expect(() => assertRunId(`my-${runId}`, ["greet"])).not.toThrow();
});
