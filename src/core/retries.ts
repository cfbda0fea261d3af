import type { ExecutionConfig } from "../types/config.ts";
import type { Attempt, JobResult, RunnerJob } from "../types/run.ts";
import type { RunnerEvent } from "../types/runner.ts";
import type { SelectedServer } from "../types/server.ts";
import type { RunAttempt } from "./attempt.ts";
import { backoff } from "./backoff.ts";
import { type ErrorCode, isOrchestratorError, OrchestratorError } from "./errors.ts";
import type { Placement, SelectOptions } from "./placement.ts";
import { eventsOnce } from "./runner-events.ts";
import type { Sleep } from "./sleep.ts";

/** Whose job it is, and what ends it. */
export interface ExecuteContext {
  runId: string;
  jobId: string;
  /** Aborts the attempt in flight; `execute` then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called around every wait for a server, so that others may go on meanwhile. */
  aside?: <T>(wait: () => Promise<T>) => Promise<T>;
  /** Called around the wait for a worker to begin; the job keeps its place, but nothing is in flight yet. */
  queued?: <T>(wait: () => Promise<T>) => Promise<T>;
  /** Told why, when the job has to wait for a server. */
  onWait?: (reason: string) => void;
  /** Told of what the job's runners note, as it comes and each once. */
  onEvent?: (event: RunnerEvent) => void;
}

/** What retries are made with. */
export interface RetriesOptions {
  placement: Placement;
  attempt: RunAttempt;
  execution: Required<ExecutionConfig>;
  now: () => number;
  random: () => number;
  sleep: Sleep;
}

/**
 * Tries a job, first on the given server, until it is answered or may not be tried again. Without a
 * server it picks one of the job's region, and waits for as long as one that lives is merely full.
 */
export type RunJob = (
  server: { id: string; leaseId?: string } | undefined,
  job: RunnerJob,
  context: ExecuteContext,
) => Promise<JobResult>;

/** Retries that prefer servers not tried yet, and wait before they ask one again. */
export function createRetries(options: RetriesOptions): RunJob {
  const { placement, execution, now, random } = options;

  /** The next server of the region: one not tried yet at once, else, after a pause, any. */
  async function nextServer(
    select: SelectOptions,
    attempts: readonly Attempt[],
    retryAfter = 0,
  ): Promise<SelectedServer> {
    const untried = { ...select, exclude: attempts.map(({ server }) => server) };
    const fresh = await placement.selectNow(untried);
    if (fresh) return fresh;
    const pause = Math.max(backoff(attempts.length, { random }), retryAfter);
    // A server may ask for any time; a job waits for it no longer than it would for room.
    await options.sleep(Math.min(pause, execution.wait), select.signal);
    select.signal?.throwIfAborted();
    const room = await placement.selectNow(untried);
    if (room) return room;
    // A healthy server that is merely full is worth more waiting than one that has just failed.
    const healthy = await placement.available(select.region);
    const full = healthy.some(({ id }) => !untried.exclude.includes(id));
    return placement.select(undefined, full ? untried : select);
  }

  /**
   * Waits for a server while others go on. The turn after it may come late: by then the place can be
   * another's, or the server down.
   */
  async function waitAside(
    aside: NonNullable<ExecuteContext["aside"]>,
    select: () => Promise<SelectedServer>,
  ): Promise<SelectedServer> {
    for (;;) {
      const server = await placement.resume(await aside(select));
      if (server) return server;
    }
  }

  /** The server of a job that was given none. */
  async function firstServer(
    select: SelectOptions,
    aside: NonNullable<ExecuteContext["aside"]>,
  ): Promise<SelectedServer> {
    const now = await placement.selectNow(select);
    return now ?? waitAside(aside, () => placement.select(undefined, select));
  }

  return async (given, job, context) => {
    const { runId, jobId, signal, onWait, onEvent, aside = (wait) => wait() } = context;
    const startedAt = now();
    const listen = onEvent && eventsOnce(onEvent);
    const attempts: Attempt[] = [];
    const key = job.url ?? jobId;
    const wanted: SelectOptions = { key, signal, region: job.region, patient: true, onWait };
    let server = await (given
      ? aside(() => placement.claim(given, { key, signal }))
      : firstServer(wanted, aside));
    for (;;) {
      const number = attempts.length + 1;
      const end = await options.attempt({
        server,
        job,
        runId,
        jobId,
        number,
        signal,
        onEvent: listen?.(),
      });
      attempts.push(end.record);
      if ("reply" in end) {
        return {
          jobId,
          server: server.id,
          region: job.region ?? server.region,
          results: end.reply.results,
          attempts,
          durationMs: now() - startedAt,
        };
      }
      const { error } = end;
      if (!error.retryable || number >= execution.attempts) {
        throw attemptsFailure(jobId, attempts, error);
      }
      const { region } = server;
      try {
        const next = { region, key, signal, onWait, patient: !given };
        server = await waitAside(aside, () => nextServer(next, attempts, error.retryAfter));
      } catch (cause) {
        throw noFurtherServer(cause)
          ? attemptsFailure(jobId, attempts, error, cause.message)
          : cause;
      }
    }
  };
}

function noFurtherServer(error: unknown): error is OrchestratorError {
  return isOrchestratorError(error) && error.code === "NO_SERVER_AVAILABLE";
}

/** What a job failed with, all its attempts told. */
export function attemptsFailure(
  jobId: string,
  attempts: readonly Attempt[],
  last: OrchestratorError,
  note?: string,
): OrchestratorError {
  const reasons = attempts.map(({ server, error }) => `${server}: ${error?.message}`);
  if (note !== undefined) reasons.push(note);
  const count = attempts.length === 1 ? "1 attempt" : `${attempts.length} attempts`;
  return new OrchestratorError(
    failureCode(attempts, last),
    `Job ${jobId} failed after ${count}: ${reasons.join("; ")}`,
    { data: { ...last.data, jobId, attempts }, cause: last },
  );
}

function failureCode(attempts: readonly Attempt[], last: OrchestratorError): ErrorCode {
  if (!last.retryable) return last.code;
  const timedOut = attempts.every(({ error }) => error?.code === "SERVER_TIMEOUT");
  return timedOut ? "SERVER_TIMEOUT" : "ATTEMPTS_EXHAUSTED";
}
