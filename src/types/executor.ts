import type { RunnerEvent, RunnerExecuteReply } from "./runner.ts";
import type { RunnerJob } from "./run.ts";
import type { TraceContext } from "./observe.ts";
import type { Server } from "./server.ts";

/** One attempt of a job. */
export interface ExecuteRequest {
  server: Server;
  job: RunnerJob;
  runId?: string;
  /** `<runId>/<jobId>`; the same for every attempt, so that a repeat is answered from the first. */
  idempotencyKey: string;
  /** 1 for the first try; rises with every attempt of the job. */
  attempt: number;
  /** Aborts the attempt. */
  signal?: AbortSignal;
  /** Milliseconds until the attempt is given up. */
  timeout: number;
  /** Told of what the job's runners note, as it comes; asks for it where it is there. Must not throw. */
  onEvent?: (event: RunnerEvent) => void;
  /** The attempt's place in its run's trace, for whoever executes it. */
  trace?: TraceContext;
}

/**
 * The driver that gets a job executed.
 *
 * An adapter must answer only with results that the runner server produced, must reject with an
 * `OrchestratorError` whose `retryable` says whether another server may succeed, must stop at
 * `signal` and `timeout`, and must not retry by itself.
 */
export interface Executor {
  readonly name: string;
  execute(request: ExecuteRequest): Promise<RunnerExecuteReply>;
}
