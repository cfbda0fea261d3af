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

/** Executors from which workers pull: a queue on Redis or Postgres, or a Kubernetes Job for each attempt. */
export type PullMode = "k8s" | "postgres" | "redis";

/** Who executes a run's jobs: this process, runner servers over HTTP, or workers that pull them. */
export type RunMode = "local" | "remote" | PullMode;

/** When a run counts as completed. Without one, a failing result does not fail it. */
export type FailurePolicy =
  /** Every job has to pass. */
  | "all"
  /** One job has to pass. */
  | "any"
  /** At most so many jobs may not pass. */
  | { allowFailures: number }
  /** So many jobs have to pass. */
  | { quorum: number };

/** One runner of a run request. */
export interface RunRunner {
  name: string;
  /** Region whose servers or workers execute it; `remote` needs this or `regions`. */
  region?: string;
  /** The same runner in each of these regions, instead of `region`. */
  regions?: string[];
  /** Its input; `input.url` is the absolute URL under test. */
  input?: JsonObject;
}

/** Body of `POST /api/orchestrator`. */
export interface RunRequest {
  /** At least one; left out with `rerun`. */
  runners?: RunRunner[];
  /** Every runner in each of these regions, unless it names its own. */
  regions?: string[];
  /** @default "remote" for a `plan`, else required */
  mode?: RunMode | "plan";
  /** Jobs in flight at once; unlimited when absent. */
  concurrency?: number;
  /** Milliseconds for the whole run. */
  timeout?: number;
  tags?: string[];
  /** The caller's own id, used in every URL. */
  runId?: string;
  failurePolicy?: FailurePolicy;
  /** Id of an ended run of which the jobs that did not pass are run again. */
  rerun?: string;
}

/** A job of a run, as it is planned when the run is submitted. */
export interface PlannedJob extends RunnerJob {
  /** `job_<uuid>`. */
  id: string;
  url: string;
  runners: RunnerSpec[];
}

/** What the workflow `run` is started with. */
export interface RunInput {
  jobs: PlannedJob[];
  mode: RunMode;
  concurrency?: number;
  /** Epoch milliseconds at which the run's timeout passes. */
  deadline?: number;
  failurePolicy?: FailurePolicy;
  /** The id that runner servers are told, where the caller brought one. */
  runId?: string;
}

/**
 * A `RunInput` as the engine keeps it. Its jobs are one short text, since the engine decodes what it keeps
 * value by value at each replay of the workflow, and the World copies it with each event.
 */
export interface PackedRunInput extends Omit<RunInput, "jobs"> {
  /** The jobs as JSON, deflated, in base64. */
  packed: string;
  /** Number of jobs. */
  total: number;
}

/** A run's state. */
export type RunStateName =
  | "cancelled"
  | "completed"
  | "failed"
  | "queued"
  | "running"
  | "timed_out";

/** A run's progress. */
export interface RunStatus {
  runId: string;
  state: RunStateName;
  totalJobs: number;
  /** Jobs whose server answered with results. */
  completedJobs: number;
  /** Jobs that failed or timed out. */
  failedJobs: number;
  /** ISO times. */
  createdAt: string;
  updatedAt: string;
  tags?: string[];
}

/** One job of a run's results. */
export interface RunJob {
  jobId: string;
  url?: string;
  region?: string;
  state: RunStateName;
  server?: string;
  results: RunnerResult[];
  error?: string;
  attempts?: Attempt[];
  /** Why it waits for a server, while it does. */
  waiting?: string;
  /** ISO times. */
  startedAt?: string;
  completedAt?: string;
  durationMs?: number;
}

/** `pass` when every region passed, `fail` when none did, else `partial`. */
export type RunOutcome = "fail" | "partial" | "pass";

/** What came of one runner, by region; jobs without one are under `default`. */
export type RunnerMatrix = Record<string, Record<string, Summary>>;

/** A run's results, also while it runs. */
export interface RunResults {
  runId: string;
  state: RunStateName;
  /** In insertion order. */
  jobs: RunJob[];
  summary: Summary;
  /** Only once the run has ended. */
  outcome?: RunOutcome;
  regions: Record<string, Summary & { jobs: number; failedJobs: number }>;
  /** Summaries by runner, then by region. */
  runners: RunnerMatrix;
  tags?: string[];
  error?: string;
  createdAt: string;
  completedAt?: string;
  durationMs?: number;
}

/** Where a plan would send a job now. */
export interface PlanStep {
  jobId: string;
  url: string;
  region?: string;
  runners: string[];
  /** Jobs of one shard are executed by one durable step. */
  shard: number;
  /** Id of the server, absent where there is none. */
  server?: string;
  /** Why there is no server. */
  reason?: string;
}

/** Answer of `POST /api/orchestrator/plan`: nothing of it is started. */
export interface RunPlan {
  mode: "plan";
  plan: {
    mode: RunMode;
    totalJobs: number;
    shards: number;
    concurrency?: number;
    steps: PlanStep[];
  };
}

/** Jobs by what became of them. */
export interface JobCounts {
  total: number;
  /** Answered with results, even failing ones. */
  completed: number;
  /** Failed or timed out. */
  failed: number;
  /** Of `failed`, those that timed out. */
  timedOut: number;
  cancelled: number;
  /** Of `completed`, those whose results all pass. */
  passed: number;
}

/** What the workflow `run` returns; its jobs' results are in the journal. */
export interface RunOutput extends JobCounts {
  state: "completed" | "failed" | "timed_out";
}
