import type { JsonObject } from "./runner.ts";
import type { Attempt, JobResult } from "./run.ts";

/** One entry of a run's journal. */
export type JournalEntry = CheckpointEntry | JobEntry | LogEntry;

/** A checkpoint as it is journalled. Entries with an id that came before count for nothing. */
export interface CheckpointEntry {
  type: "checkpoint";
  id: string;
  /** Epoch milliseconds of the clock; a checkpoint's `ts` comes of these in the journal's order. */
  at: number;
  /** What the checkpoint calls its `type`. */
  kind: string;
  data?: unknown;
  /** The job whose runner posted it. */
  jobId?: string;
  runner?: string;
}

/** A line that a runner logged, as it is journalled. */
export interface LogEntry {
  type: "log";
  at: number;
  message: string;
  meta?: JsonObject;
  jobId?: string;
  runner?: string;
}

/** What happened to a job. Entries of a job that has ended already count for nothing. */
export type JobEntry =
  | { type: "job.started"; jobId: string; at: number }
  | { type: "job.waiting"; jobId: string; at: number; reason: string }
  | { type: "job.completed"; jobId: string; at: number; durationMs: number; result: JobResult }
  | {
      type: "job.cancelled" | "job.failed" | "job.timed_out";
      jobId: string;
      at: number;
      durationMs?: number;
      error: string;
      /** Code of an `OrchestratorError`. */
      code?: string;
      attempts?: Attempt[];
    };
