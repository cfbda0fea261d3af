import type { JsonObject } from "./runner.ts";
import type { RunInput, RunMode, RunPlan, RunResults, RunStatus } from "./run.ts";

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
  /** The caller's own id of the run, which no other run can have; the same with another fingerprint is a conflict. */
  ownId?: { id: string; fingerprint: string };
  /** A key of ours, which callers' own cannot be: the same again starts nothing, whatever it asks for. */
  once?: string;
  about?: RunAbout;
}

/** What a caller says about a run: little, since it comes with every list of runs. */
export interface RunAbout {
  /** The caller's own id. */
  runId?: string;
  tags?: string[];
  /** Who executes the jobs of a run of the workflow `run`. */
  mode?: RunMode;
  /** Who started it. */
  owner?: string;
  metadata?: JsonObject;
  /** W3C trace context of the request that started it, which its attempts carry on. */
  traceparent?: string;
  /** What vendors of that trace have added to it. */
  tracestate?: string;
}

/** What became of a start. */
export type StartOutcome =
  | { kind: "conflict"; field: "Idempotency-Key" | "runId" }
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

/** What a caller of the run API says about a run, beside its jobs. */
export interface SubmitOptions extends Omit<RunAbout, "mode"> {
  /** Value of the `Idempotency-Key` header. */
  idempotencyKey?: string;
  /** What was asked, as text; the same key or id with another one is a conflict. */
  fingerprint: string;
}

/**
 * Runs over regions, as the HTTP side sees them. An id that it takes is the engine's or the caller's
 * own; one that it answers with is the caller's own where there is one.
 */
export interface RunService {
  /**
   * Resolves when the run is stored under all its ids; a conflict names what it conflicts with. A
   * repeated request is told by its fingerprint alone: its input has other job ids and another deadline.
   */
  submit(
    input: RunInput,
    options: SubmitOptions,
  ): Promise<
    | { kind: "conflict"; field: "Idempotency-Key" | "runId" }
    | { kind: "repeated" | "started"; runId: string }
  >;
  /** The engine's id of a run of the workflow `run`, for the engine's own `read` and `wait`. */
  engineId(id: string): Promise<string | undefined>;
  /** Undefined where no run of the workflow `run` has that id. */
  status(id: string): Promise<RunStatus | undefined>;
  results(id: string): Promise<RunResults | undefined>;
  /** What the run was started with. */
  input(id: string): Promise<RunInput | undefined>;
  plan(input: RunInput): Promise<RunPlan>;
}
