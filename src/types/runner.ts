/** A JSON-like object. */
export type JsonObject = Record<string, unknown>;

/** Outcome of one runner. `details` is a plain object or absent. */
export interface RunnerResult {
  name: string;
  status: "error" | "fail" | "pass";
  details?: JsonObject;
  errorMessage?: string;
  durationMs?: number;
}

/** What a runner function is called with. */
export interface RunnerContext {
  region?: string;
  runId?: string;
  /** Aborted when the runner's time is up or the server drains. */
  signal: AbortSignal;
  /** Prints one JSON line `{"timestamp", "runner", "message", ...meta}`. */
  log: (message: string, meta?: JsonObject) => void;
  /**
   * Notes a checkpoint of the run that the job belongs to, while the job runs. `type` has 1 to 200
   * characters; `data` is JSON of at most 64 KiB.
   *
   * @throws TypeError that names the argument it cannot take
   */
  checkpoint: (type: string, data?: unknown) => void;
}

/** What a runner tells while it runs: a checkpoint, or a line that it logged. */
export type RunnerEvent =
  | {
      event: "checkpoint";
      /** A UUID; the same where the event is told again. */
      id: string;
      /** Epoch milliseconds, by the clock of the runner's server. */
      at: number;
      type: string;
      data?: unknown;
      runner: string;
    }
  | { event: "log"; at: number; message: string; meta?: JsonObject; runner: string };

/** What a runner may return: its name and duration are filled in when it leaves them out. */
export type RunnerOutcome = Omit<RunnerResult, "name"> & { name?: string };

/** A named check: an exported async function marked `"use runner"`. */
export type Runner<Input = any> = (ctx: RunnerContext, input: Input) => Promise<RunnerOutcome>;

/** One runner of an execute request. */
export interface RunnerSpec {
  name: string;
  input?: JsonObject;
}

/** Body of `POST {base}/execute`, as it travels inside the `{"json": …}` envelope. */
export interface RunnerExecuteRequest {
  url?: string;
  runners: (RunnerSpec | string)[];
  runId?: string;
  region?: string;
  input?: JsonObject;
}

/** Reply of `POST {base}/execute`. */
export interface RunnerExecuteReply {
  region?: string;
  runId?: string;
  results: RunnerResult[];
}
