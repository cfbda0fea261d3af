import type { JobCounts, JobResult, RunMode, RunnerJob } from "./run.ts";

/** A job with an id that is unique in its run. */
export type ShardJob = RunnerJob & { id: string };

/** Jobs of the run's own input, from the first to before the last. */
export interface JobRange {
  from: number;
  to: number;
}

/** Jobs that one durable step executes. Plain data: it crosses the engine's boundary. */
export interface ShardRequest {
  /** Jobs with ids that are unique in the run, or where to find them. */
  jobs: ShardJob[] | JobRange;
  mode: RunMode;
  /** Number of the fan-out within its run. Its shards share their windows. */
  group: number;
  /** Jobs in flight at once, of this shard; unlimited when absent. */
  window?: number;
  /** Jobs in flight at once, of all shards of the fan-out; their windows add up to it. */
  concurrency?: number;
  /** Epoch milliseconds at which what is left times out. */
  deadline?: number;
  /** The id that runner servers are told; the engine's when absent. */
  runId?: string;
  /** Whether the outcomes are wanted, or only their counts. */
  collect: boolean;
}

/** What became of one job of a shard. */
export type ShardOutcome =
  | { ok: true; result: JobResult }
  | { ok: false; error: { code: string; message: string; data?: Record<string, unknown> } };

/** What a shard's step answers. */
export interface ShardReply {
  counts: JobCounts;
  /** In the order of the jobs. */
  outcomes?: ShardOutcome[];
}
