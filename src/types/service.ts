import type { RunMode, RunStateName } from "./run.ts";
import type { JsonObject } from "./runner.ts";

/** A run of any workflow, as the run service knows it. */
export interface RunInfo {
  /** The caller's own id where there is one, else the engine's. */
  runId: string;
  /** Name of its workflow; the engine's id of one that is not known here. */
  workflow: string;
  /** Who executes its jobs; `workflow` for a run of a workflow other than `run`. */
  mode: RunMode | "workflow";
  state: RunStateName;
  /** Who started it, as the caller said. */
  owner?: string;
  /** What the caller keeps with it. */
  metadata?: JsonObject;
  tags?: string[];
  /** Why it failed. */
  error?: string;
  /** ISO times. */
  createdAt: string;
  completedAt?: string;
}

/** A state as the run service spells it; it has no word for a time that was up. */
export type ServiceStatus = "canceled" | "completed" | "failed" | "pending" | "running";

/** A run as the run service answers it. */
export interface ServiceRun extends Omit<RunInfo, "runId"> {
  id: string;
  status: ServiceStatus;
}

/** Something that was noted about a run: by a client, by a runner or by its workflow. */
export interface Checkpoint {
  id: string;
  runId: string;
  /** ISO time with milliseconds, later than that of the run's checkpoint before. */
  ts: string;
  type: string;
  data?: unknown;
}

/** A line that a runner logged. */
export interface RunLog {
  runId: string;
  /** ISO time. */
  at: string;
  message: string;
  meta?: JsonObject;
  jobId?: string;
  runner?: string;
}

/** What became of a job. */
export interface RunJobChange {
  runId: string;
  jobId: string;
  state: RunStateName;
  /** ISO time. */
  at: string;
  /** Why it waits for a server, while it does. */
  waiting?: string;
  /** Id of the server that answered. */
  server?: string;
  /** Whether all its results are `pass`, of one that was answered. */
  passed?: boolean;
  error?: string;
  durationMs?: number;
}

/** What a follower of a run is told. */
export type FollowedEvent =
  | { event: "checkpoint"; data: Checkpoint }
  | { event: "job"; data: RunJobChange }
  | { event: "log"; data: RunLog }
  | { event: "status"; data: { runId: string; state: RunStateName } };

/** A frame of a run's event stream, its data parsed. */
export type RunEvent =
  | { event: "hello"; data: { runId: string } }
  | { event: "status"; data: { runId: string; status: ServiceStatus } }
  /** Its `id` is the checkpoint's `ts`. */
  | { event: "checkpoint"; id: string; data: Checkpoint }
  | { event: "job"; data: RunJobChange }
  | { event: "log"; data: RunLog }
  | { event: "ping"; data: { at: string } };

/** Where a follower begins. */
export interface FollowOptions {
  /** Only what comes after the checkpoint of this `ts`. */
  after?: string;
  /** How many of the latest checkpoints, and as many log lines, without `after`. */
  replay: number;
  /** Ends the following. */
  signal: AbortSignal;
}

/** Which runs to list; all that are given must hold. */
export interface RunFilter {
  workflow?: string;
  state?: RunStateName;
  tag?: string;
  owner?: string;
  /** Epoch milliseconds: created at this time or later. */
  since?: number;
  /** Epoch milliseconds: created before this time. */
  until?: number;
  /** 1 to 100. @default 20 */
  limit?: number;
  cursor?: string;
}

/** A page of runs, the newest first. */
export interface RunPage {
  runs: RunInfo[];
  /** Where the next page begins; absent on the last one. */
  cursor?: string;
}

/** What became of a cancellation. */
export type CancelOutcome =
  | { kind: "cancelled" }
  /** It had ended otherwise before. */
  | { kind: "ended"; state: RunStateName };

/** What became of a checkpoint. */
export type CheckpointOutcome =
  /** It is stored. */
  | { kind: "added"; checkpointId: string }
  /** The run has ended and takes no more. */
  | { kind: "ended"; state: RunStateName };

/**
 * Runs of every workflow, from the engine's records and the runs' journals. An id that it takes is the
 * engine's or the caller's own; it answers with undefined where no run has it. Checkpoints and events name
 * the run by the id that was asked for.
 */
export interface WorkflowRuns {
  read(id: string): Promise<RunInfo | undefined>;
  list(filter: RunFilter): Promise<RunPage>;
  /** Stops the run: attempts in flight are aborted, what has not ended is `cancelled`. Again it does nothing. */
  cancel(id: string): Promise<CancelOutcome | undefined>;
  /** Resolves when the checkpoint is stored, and whoever waits for one of its type has been woken. */
  addCheckpoint(
    id: string,
    checkpoint: { type: string; data?: unknown },
  ): Promise<CheckpointOutcome | undefined>;
  /** All of the run's checkpoints, ascending, read as they are asked for. */
  checkpoints(id: string): Promise<AsyncIterable<Checkpoint> | undefined>;
  /**
   * What happened to the run, and what happens until it has ended; its last event is then its last
   * status. Reads no further ahead than it is asked to.
   */
  follow(id: string, options: FollowOptions): Promise<AsyncIterable<FollowedEvent> | undefined>;
}

/** Tells of runs' ends by HTTP. */
export interface Callbacks {
  /**
   * Refuses a target that nobody may be told at.
   *
   * @throws OrchestratorError `INPUT_VALIDATION_FAILED`, which names the field
   */
  assertAllowed(callback: Callback): void;
  /** Has the run's end told, once for each run; resolves when that is stored. */
  register(id: string, callback: Callback): Promise<void>;
}

/** Where to tell of a run's end. */
export interface Callback {
  /** Absolute http(s) URL. */
  url: string;
  /** Signs what is sent; the configured secret where it is absent. */
  secret?: string;
}

/** Whether an orchestrator takes up runs, and why not. */
export interface Readiness {
  ready: boolean;
  reason?: string;
}
