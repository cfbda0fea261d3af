import type { JsonObject } from "../../types/index.ts";
import type { RunPlan, RunRequest, RunResults, RunStatus } from "../../types/run.ts";

/** An id as runs get them. */
export const runId = "wrun_01K6ZQ7T2E9M4V8XH3B5N0RCDA";

const url = "https://example.com";
/** When the runs of the examples were created. */
export const createdAt = "2026-11-20T09:00:00.000Z";
const jobs = [
  "job_5f0c9c4e-6b1d-4d0a-9c58-0b7f9a1e2d31",
  "job_8a27e1d4-3f6b-4c2e-b1a9-7d5e4f3c2b10",
];

/** A runner that the examples name. */
export interface ExampleRunner {
  name: string;
  /** What it takes, where that is known. */
  input: JsonObject;
}

/** Requests that start a run, by name. */
export function requestExamples({
  name: runner,
  input,
}: ExampleRunner): Record<string, RunRequest> {
  return {
    overRegions: {
      mode: "remote",
      runners: [{ name: runner, input: { url } }],
      regions: ["us-east-1", "eu-west-1"],
    },
    inThisProcess: { mode: "local", runners: [{ name: runner, input: { ...input, url } }] },
    everyOption: {
      runId: "nightly-2026-11-20",
      mode: "remote",
      runners: [
        { name: runner, region: "us-east-1", input: { url } },
        { name: runner, regions: ["eu-west-1"], input: { url: `${url}/pricing` } },
      ],
      concurrency: 2,
      timeout: 60_000,
      tags: ["nightly"],
      failurePolicy: { allowFailures: 1 },
    },
    whatDidNotPass: { rerun: runId },
  };
}

/** The jobs that a plan of `requestExamples().overRegions` answers with. */
export function planExample(runner: string): RunPlan {
  const step = { url, runners: [runner], shard: 0 };
  return {
    mode: "plan",
    plan: {
      mode: "remote",
      totalJobs: 2,
      shards: 1,
      steps: [
        { ...step, jobId: jobs[0]!, region: "us-east-1", server: "us-east-1-a" },
        {
          ...step,
          jobId: jobs[1]!,
          region: "eu-west-1",
          reason: 'No runner URL found for region "eu-west-1". Available regions: us-east-1',
        },
      ],
    },
  };
}

/** A run half-way. */
export const statusExample: RunStatus = {
  runId,
  state: "running",
  totalJobs: 2,
  completedJobs: 1,
  failedJobs: 0,
  createdAt,
  updatedAt: "2026-11-20T09:00:01.412Z",
};

/** The results of a run that passed in one region and failed in another. */
export function resultsExample(runner: string): RunResults {
  const passed = { total: 1, passed: 1, failed: 0, errored: 0 };
  const failed = { total: 1, passed: 0, failed: 1, errored: 0 };
  return {
    runId,
    state: "completed",
    jobs: [
      {
        jobId: jobs[0]!,
        url,
        region: "us-east-1",
        state: "completed",
        server: "us-east-1-a",
        results: [{ name: runner, status: "pass", durationMs: 380 }],
        startedAt: "2026-11-20T09:00:01.000Z",
        completedAt: "2026-11-20T09:00:01.412Z",
        durationMs: 412,
      },
      {
        jobId: jobs[1]!,
        url,
        region: "eu-west-1",
        state: "completed",
        server: "eu-west-1-a",
        results: [
          { name: runner, status: "fail", details: { title: "Bad gateway" }, durationMs: 690 },
        ],
        attempts: [
          {
            number: 1,
            server: "eu-west-1-b",
            startedAt: "2026-11-20T09:00:01.000Z",
            durationMs: 31,
            outcome: "failed",
            error: { code: "SERVER_UNREACHABLE", message: "connect ECONNREFUSED" },
          },
          {
            number: 2,
            server: "eu-west-1-a",
            startedAt: "2026-11-20T09:00:01.090Z",
            durationMs: 704,
            outcome: "answered",
          },
        ],
        startedAt: "2026-11-20T09:00:01.000Z",
        completedAt: "2026-11-20T09:00:01.794Z",
        durationMs: 794,
      },
    ],
    summary: { total: 2, passed: 1, failed: 1, errored: 0 },
    outcome: "partial",
    regions: {
      "us-east-1": { ...passed, jobs: 1, failedJobs: 0 },
      "eu-west-1": { ...failed, jobs: 1, failedJobs: 0 },
    },
    runners: { [runner]: { "us-east-1": passed, "eu-west-1": failed } },
    createdAt,
    completedAt: "2026-11-20T09:00:01.800Z",
    durationMs: 1800,
  };
}
