/** A run's state as our API spells it. */
export type RunState = "cancelled" | "completed" | "failed" | "queued" | "running";

/** One execution of a workflow, as far as the API needs it. */
export interface RunRecord {
  runId: string;
  workflowId: string;
  state: RunState;
  /** The return value of a completed run. */
  output?: unknown;
  /** Why a failed run failed. */
  error?: string;
}

/** What a caller asks for when a run starts. */
export interface StartRequest {
  workflowId: string;
  args: unknown[];
  /** Starts nothing twice: the same key and fingerprint (what was asked, as text) answer with the first run's id. */
  idempotency?: { key: string; fingerprint: string };
}

/** What became of a start. */
export type StartOutcome =
  | { kind: "conflict" }
  | { kind: "repeated"; runId: string }
  | { kind: "started"; runId: string };

/** The durable engine as the HTTP side sees it. */
export interface RunEngine {
  /** Resolves when the run is stored, so that an acknowledged run is never lost. */
  start(request: StartRequest): Promise<StartOutcome>;
  /** The run, or undefined where none has that id. */
  read(runId: string): Promise<RunRecord | undefined>;
  /** The run once it has ended, or as it is after `ms` milliseconds. */
  wait(runId: string, ms: number, signal?: AbortSignal): Promise<RunRecord | undefined>;
}
