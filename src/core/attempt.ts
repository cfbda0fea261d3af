import type { Executor } from "../types/executor.ts";
import type { Attempt, RunnerJob } from "../types/run.ts";
import type { TraceContext } from "../types/observe.ts";
import type { RunnerEvent, RunnerExecuteReply } from "../types/runner.ts";
import type { AttemptOutcome, SelectedServer, Server, ServerRegistry } from "../types/server.ts";
import { onAbort } from "./abort.ts";
import { type ErrorCode, isOrchestratorError, OrchestratorError } from "./errors.ts";
import type { Lease, Leases } from "./leases.ts";
import { leaseTtl } from "./placement.ts";

/** What an attempt is made with. */
export interface AttemptOptions {
  registry: ServerRegistry;
  leases: Leases;
  executor: Executor;
  /** Milliseconds an attempt may take unless its job says otherwise. */
  timeout: number;
  now: () => number;
}

/** One attempt to make. */
export interface AttemptRequest<Place extends Server = SelectedServer> {
  server: Place;
  job: RunnerJob;
  runId: string;
  jobId: string;
  /** 1 for the first try. */
  number: number;
  signal?: AbortSignal;
  /** Where workers pull: told which one has begun it. */
  onStart?: (worker: string) => void;
  /** Told of what the job's runners note, but not once the attempt is over. */
  onEvent?: (event: RunnerEvent) => void;
  trace?: TraceContext;
}

/** How an attempt ended: with a reply or with an error. */
export type AttemptEnd =
  | { record: Attempt; reply: RunnerExecuteReply }
  | { record: Attempt; error: OrchestratorError };

/** Makes one attempt on the place that was taken for it, which is free when the promise settles. */
export type RunAttempt = (request: AttemptRequest) => Promise<AttemptEnd>;

/** Failures by which a server shows that it lives: it answered, and would answer so again. */
const signsOfLife: ReadonlySet<ErrorCode> = new Set([
  "EXECUTION_FAILED",
  "INPUT_VALIDATION_FAILED",
  "RESPONSE_TOO_LARGE",
  "RUNNER_NOT_FOUND",
  "SERVER_REJECTED",
]);

/** Attempts that hold their place, tell the registry how they ended, and free the place. */
export function createAttempt(options: AttemptOptions): RunAttempt {
  const { registry, leases, executor, now } = options;

  /** Holds the place for as long as the attempt may take, also if its lease expired meanwhile. */
  function hold({ id, leaseId }: SelectedServer, timeout: number): Lease | undefined {
    const ttl = timeout + leaseTtl;
    return leases.renew(leaseId, ttl) ?? leases.acquire(id, { ttl });
  }

  async function report(id: string, outcome: AttemptOutcome | undefined): Promise<void> {
    try {
      if (outcome) await registry.report(id, outcome);
    } catch {
      // A registry that is out of reach must not fail a job that was answered.
    }
  }

  return async ({ server, job, runId, jobId, number, signal, onEvent, trace }) => {
    const startedAt = now();
    const { leaseId: _, ...target } = server;
    const timeout = job.timeout ?? options.timeout;
    const lease = hold(server, timeout);
    // A signal of its own: an executor may listen to it as often as it likes.
    const abort = new AbortController();
    const off = onAbort(signal, () => abort.abort(signal?.reason));
    let over = false;
    const pass = (event: RunnerEvent): void => {
      if (!over && !abort.signal.aborted) onEvent?.(event);
    };
    const record = (): Omit<Attempt, "outcome"> => ({
      number,
      server: server.id,
      startedAt: new Date(startedAt).toISOString(),
      durationMs: now() - startedAt,
    });
    try {
      signal?.throwIfAborted();
      const reply = await executor.execute({
        server: target,
        job,
        runId,
        idempotencyKey: `${runId}/${jobId}`,
        attempt: number,
        signal: abort.signal,
        timeout,
        ...(onEvent && { onEvent: pass }),
        ...(trace && { trace }),
      });
      await report(server.id, { ok: true });
      return { record: { ...record(), outcome: "answered" }, reply };
    } catch (cause) {
      // Whoever aborted knows why; the server has nothing to do with it.
      signal?.throwIfAborted();
      await report(server.id, outcomeOf(cause));
      const error = toError(cause, executor.name);
      const { code, message } = error;
      return { record: { ...record(), outcome: "failed", error: { code, message } }, error };
    } finally {
      over = true;
      // After the report: a half-open circuit must be open or closed before its one place is free.
      off();
      if (lease) leases.release(lease.id);
    }
  };
}

/** What a failure says of the server: at fault, alive, or nothing. */
function outcomeOf(error: unknown): AttemptOutcome | undefined {
  if (!isOrchestratorError(error)) return undefined;
  if (error.retryable) return { ok: false, error: `${error.code}: ${error.message}` };
  return signsOfLife.has(error.code) ? { ok: true } : undefined;
}

/** What an executor rejected with, as an error of ours. */
export function toError(cause: unknown, executor: string): OrchestratorError {
  if (isOrchestratorError(cause)) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new OrchestratorError("EXECUTION_FAILED", `The ${executor} executor failed: ${message}`, {
    cause,
  });
}
