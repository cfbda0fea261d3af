import type { JsonObject, RunnerResult, RunnerSpec } from "./runner.ts";

/** One (url, region) group of runners: the unit that is sent to a server. */
export interface RunnerJob {
  /** Unique within a run; made up when absent. Part of the job's idempotency key. */
  id?: string;
  /** Absolute URL of the page or service under test, never of a runner server. */
  url?: string;
  /** At least one runner. */
  runners: (RunnerSpec | string)[];
  /** Region whose servers may take the job; any when absent. */
  region?: string;
  /** Input for all runners of the job; a runner's own input wins. */
  input?: JsonObject;
  /** Milliseconds one attempt may take, instead of the configured execution timeout. */
  timeout?: number;
}

/** One try of a job on one server. */
export interface Attempt {
  /** 1 for the first try. */
  number: number;
  server: string;
  /** ISO time. */
  startedAt: string;
  durationMs: number;
  outcome: "answered" | "failed";
  /** Why it failed. */
  error?: { code: string; message: string };
}

/** What `executeRunnerStep` answers: the runner server's reply and how it was reached. */
export interface JobResult {
  jobId: string;
  /** Id of the server that answered. */
  server: string;
  region?: string;
  results: RunnerResult[];
  attempts: Attempt[];
  durationMs: number;
}

/** Results counted by status. */
export interface Summary {
  total: number;
  passed: number;
  failed: number;
  errored: number;
}

/** One job of an aggregate. */
export interface AggregatedJob {
  jobId: string;
  url?: string;
  region?: string;
  /** `completed` when a server answered with results, even failing ones. */
  state: "completed" | "failed" | "timed_out";
  server?: string;
  results: RunnerResult[];
  error?: string;
  attempts?: Attempt[];
  durationMs?: number;
}

/** All jobs of a fan-in and their counts, from `aggregateResults`. */
export interface Aggregate {
  /** `timed_out` if a job timed out, else `failed` if one failed, else `completed`. */
  state: "completed" | "failed" | "timed_out";
  jobs: AggregatedJob[];
  summary: Summary;
  /** The same counts by region; jobs without one are under `default`. */
  regions: Record<string, Summary & { jobs: number; failedJobs: number }>;
}
