import type { RunnerEvent, RunnerExecuteReply } from "./runner.ts";
import type { RunnerJob } from "./run.ts";
import type { TraceContext } from "./observe.ts";
import type { Server } from "./server.ts";

/** One attempt of a job. */
export interface ExecuteRequest {
  /**
   * Where it goes: a runner server, or for executors from which workers pull, the queue of the job's
   * region, whose id is `<executor>/<region>`.
   */
  server: Server;
  job: RunnerJob;
  runId?: string;
  /** `<runId>/<jobId>`; the same for every attempt, so that a repeat is answered from the first. */
  idempotencyKey: string;
  /** 1 for the first try; rises with every attempt of the job. */
  attempt: number;
  /** Aborts the attempt. */
  signal?: AbortSignal;
  /** Milliseconds until the attempt is given up; where workers pull, from when one has begun it. */
  timeout: number;
  /**
   * Where workers pull: milliseconds the attempt waits while no worker of its region lives, until it is
   * rejected with `NO_SERVER_AVAILABLE`. For one that lives and is merely busy it waits as long as it takes.
   */
  wait?: number;
  /** Where workers pull: told which worker has begun the attempt. Must not throw. */
  onStart?: (worker: string) => void;
  /** Told of what the job's runners note, as it comes; asks for it where it is there. Must not throw. */
  onEvent?: (event: RunnerEvent) => void;
  /** The attempt's place in its run's trace, for whoever executes it. */
  trace?: TraceContext;
}

/**
 * The driver that gets a job executed.
 *
 * An adapter must answer only with results that the runner server or worker produced, must reject with an
 * `OrchestratorError` whose `retryable` says whether another server may succeed, must stop at
 * `signal` and `timeout`, and must not retry by itself.
 */
export interface Executor {
  readonly name: string;
  execute(request: ExecuteRequest): Promise<RunnerExecuteReply>;
  /** Where workers pull, and can be counted: how many of a region live, `""` for those that have none. */
  workers?(region: string): Promise<number>;
  /** Where workers pull: whether this attempt was handed in before, so that it needs no worker to be joined. */
  knows?(attempt: Pick<ExecuteRequest, "attempt" | "idempotencyKey" | "server">): Promise<boolean>;
  /** Connects, and rejects where the backend cannot be used as it is configured. */
  start?(): Promise<void>;
  /** Lets go of connections; what is in flight rejects. */
  close?(): Promise<void>;
}
