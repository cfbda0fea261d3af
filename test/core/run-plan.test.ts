import { describe, expect, test } from "vitest";
import { isOrchestratorError } from "../../src/core/errors.ts";
import { runLimits } from "../../src/core/run-limits.ts";
import {
  assertRunId,
  jobsToRerun,
  planJobs,
  runInput,
  runModeOf,
} from "../../src/core/run-plan.ts";
import type { FailurePolicy, RunJob, RunMode, RunRequest, RunRunner } from "../../src/types/run.ts";

const page = "https://a.example";
const runner = (name: string, more: Partial<RunRunner> = {}): RunRunner => ({
  name,
  input: { url: page },
  ...more,
});

/** Ids that count up, so that a plan can be written down. */
function counter(): { uuid: () => string } {
  let next = 0;
  return { uuid: () => String(++next) };
}

function plan(request: RunRequest, mode: RunMode = "remote") {
  return planJobs(request, mode, counter());
}

/** A plan as `region url: names`, one line a job. */
function lines(request: RunRequest, mode?: RunMode): string[] {
  return plan(request, mode).map(
    ({ region, url, runners }) => `${region} ${url}: ${runners.map(({ name }) => name).join(" ")}`,
  );
}

/** What a request is refused with: its message and the path of its first issue. */
function refusal(act: () => unknown): { message: string; path: unknown } {
  try {
    act();
  } catch (error) {
    if (!isOrchestratorError(error)) throw error;
    expect(error.code).toBe("INPUT_VALIDATION_FAILED");
    return { message: error.message, path: (error.data!.issues as [{ path: unknown }])[0].path };
  }
  throw new Error("not refused");
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

describe("a request is refused, naming the runner", () => {
  test.each<[string, RunRequest, RunMode, string, unknown]>([
    [
      "a remote runner without a region",
      { runners: [runner("a", { region: "eu" }), runner("x")] },
      "remote",
      `Runner "x" must specify a region when mode is 'remote'`,
      ["runners", 1, "region"],
    ],
    [
      "a remote runner without a url",
      { runners: [{ name: "x", region: "eu" }] },
      "remote",
      `Runner "x" must specify input.url when mode is 'remote'`,
      ["runners", 0, "input", "url"],
    ],
    [
      "a local runner without a url",
      { runners: [{ name: "größe", input: { depth: 1 } }] },
      "local",
      `Runner "größe" must specify input.url when mode is 'local'`,
      ["runners", 0, "input", "url"],
    ],
    [
      "region beside regions",
      { runners: [runner("x", { region: "eu", regions: ["us"] })] },
      "remote",
      `Runner "x" must have region or regions, not both`,
      ["runners", 0, "regions"],
    ],
    [
      "a region named twice",
      { runners: [runner("x")], regions: ["eu", "us", "eu"] },
      "remote",
      `regions must differ: "eu" is named twice`,
      ["regions", 2],
    ],
    [
      "a runner's region named twice",
      { runners: [runner("x", { regions: ["eu", "eu"] })] },
      "remote",
      `regions must differ: "eu" is named twice`,
      ["runners", 0, "regions", 1],
    ],
    [
      "regions in local mode",
      { runners: [runner("x")], regions: ["eu"] },
      "local",
      "regions cannot be used when mode is 'local'",
      ["regions"],
    ],
    [
      "a runner's regions in local mode",
      { runners: [runner("a"), runner("x", { regions: ["eu"] })] },
      "local",
      "regions cannot be used when mode is 'local'",
      ["runners", 1, "regions"],
    ],
  ])("%s", (_what, request, mode, message, path) => {
    expect(refusal(() => plan(request, mode))).toEqual({ message, path });
  });

  test.each([
    ["a path", "/a"],
    ["another protocol", "file:///etc/passwd"],
    ["a script", "javascript:alert(1)"],
    ["nothing after the protocol", "https://"],
    ["a number", 7],
    ["a list", [page]],
    ["null", null],
    ["a lone word", "a.example"],
  ])("a url that is %s", (_what, url) => {
    const runners = [runner("x", { region: "eu", input: { url } })];
    expect(refusal(() => plan({ runners }))).toEqual({
      message: `Runner "x" must have an absolute http(s) URL as its input.url`,
      path: ["runners", 0, "input", "url"],
    });
  });

  test("an inherited url is none", () => {
    const input = Object.create({ url: page }) as Record<string, unknown>;
    expect(refusal(() => plan({ runners: [runner("x", { input, region: "eu" })] })).path).toEqual([
      "runners",
      0,
      "input",
      "url",
    ]);
  });

  test("one that multiplies into too many executions, before they are made", () => {
    const regions = Array.from({ length: runLimits.regions }, (_, n) => `r${n}`);
    const runners = Array.from({ length: runLimits.runners }, () => runner("x"));
    const before = performance.now();
    expect(refusal(() => plan({ runners, regions })).message).toBe(
      "runners over all regions must be at most 100000 (got 20000000)",
    );
    expect(performance.now() - before).toBeLessThan(1000);
  });

  test("one whose inputs multiply into too much text", () => {
    const regions = Array.from({ length: 100 }, (_, n) => `r${n}`);
    const input = { url: page, text: "x".repeat(200_000) };
    expect(refusal(() => plan({ runners: [runner("x", { input })], regions })).message).toMatch(
      /^runners over all regions must have at most 16777216 characters of input/,
    );
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
