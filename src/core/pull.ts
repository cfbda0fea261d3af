import type { ExecutionConfig } from "../types/config.ts";
import type { Executor } from "../types/executor.ts";
import type { Attempt, JobResult, RunnerJob } from "../types/run.ts";
import type { Server } from "../types/server.ts";
import { onAbort } from "./abort.ts";
import { type AttemptEnd, type AttemptRequest, toError } from "./attempt.ts";
import { backoff } from "./backoff.ts";
import { OrchestratorError } from "./errors.ts";
import { isHandedBack } from "./handed-back.ts";
import { attemptsFailure, type ExecuteContext } from "./retries.ts";
import { eventsOnce } from "./runner-events.ts";
import { sleep as realSleep, type Sleep } from "./sleep.ts";

/** An attempt for a queue from which workers pull. */
export type PullAttempt = (request: AttemptRequest<Server>) => Promise<AttemptEnd>;

/** What jobs are handed to workers with. */
export interface PullOptions {
  executor: Executor;
  execution: Required<ExecutionConfig>;
  /** Puts something around every attempt. */
  aroundAttempt?: (attempt: PullAttempt) => PullAttempt;
  /** Epoch milliseconds. */
  now?: () => number;
  /** In [0, 1). */
  random?: () => number;
  sleep?: Sleep;
}

/** How often a region without a worker is looked at again. */
const LOOK_MS = 1000;

/** Where the jobs of a region go: a queue, as the server it stands for. */
export function queueOf({ name }: Executor, region: string): Server {
  return { id: region === "" ? name : `${name}/${region}`, url: "", region };
}

/** The error of a region, `""` for none, that has no worker. */
export function noWorker(region: string): OrchestratorError {
  const where = region === "" ? "without a region" : `of region "${region}"`;
  return new OrchestratorError("NO_SERVER_AVAILABLE", `No worker ${where} is there`);
}

/**
 * Gets jobs executed by workers that pull them, in as many attempts as it takes. A job for which no worker
 * lives leaves its place to others. One that is handed back stays where it is: the next start joins it.
 *
 * @returns what executes one job
 * @throws OrchestratorError as the dispatcher of runner servers does
 */
export function createPull(
  options: PullOptions,
): (job: RunnerJob, context: ExecuteContext) => Promise<JobResult> {
  const { executor, execution, now = Date.now, random = Math.random, sleep = realSleep } = options;
  const { aroundAttempt = (inner) => inner } = options;
  const attempt = aroundAttempt(createPullAttempt(executor, execution, now));
  /** The latest look at each region: jobs that wait for the same workers share it. */
  const looks = new Map<string, { at: number; lacking: Promise<boolean> }>();

  /** Whether a region has no worker; one that cannot be looked at is left to the attempt to tell of. */
  function lacksWorker(region: string): Promise<boolean> {
    const at = now();
    for (const [key, look] of looks) if (at - look.at >= LOOK_MS / 2) looks.delete(key);
    let look = looks.get(region);
    if (!look) {
      const lacking = executor.workers!(region).then(
        (workers) => workers === 0,
        () => false,
      );
      looks.set(region, (look = { at, lacking }));
    }
    return look.lacking;
  }

  /** Whether nobody would take an attempt now. One that was handed in before goes on where it is. */
  async function mustWait(
    attempt: Parameters<NonNullable<Executor["knows"]>>[0],
  ): Promise<boolean> {
    if (!executor.workers || !(await lacksWorker(attempt.server.region))) return false;
    return !(await executor.knows?.(attempt).catch(() => true));
  }

  async function waitForWorker(region: string, signal: AbortSignal | undefined): Promise<void> {
    const until = now() + execution.wait;
    while (await lacksWorker(region)) {
      if (now() >= until) throw noWorker(region);
      await sleep(Math.min(LOOK_MS, execution.wait), signal);
      signal?.throwIfAborted();
    }
  }

  return async (job, context) => {
    const { runId, jobId, signal, onWait, onEvent, aside = (wait) => wait() } = context;
    const { queued = (wait) => wait() } = context;
    const startedAt = now();
    const region = job.region ?? "";
    const server = queueOf(executor, region);
    const listen = onEvent && eventsOnce(onEvent);
    const attempts: Attempt[] = [];
    for (;;) {
      const number = attempts.length + 1;
      if (await mustWait({ idempotencyKey: `${runId}/${jobId}`, attempt: number, server })) {
        const { message } = noWorker(region);
        onWait?.(message);
        try {
          await aside(() => waitForWorker(region, signal));
        } catch (error) {
          if (attempts.length === 0 || signal?.aborted) throw error;
          throw attemptsFailure(jobId, attempts, toError(error, executor.name), message);
        }
      }
      let begin!: () => void;
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const ending = attempt({
        server,
        job,
        runId,
        jobId,
        number,
        signal,
        onStart: begin,
        onEvent: listen?.(),
      });
      // Until a worker has begun it, nothing of it is lost when this process ends.
      await queued(() => Promise.race([begun, ending]));
      const end = await ending;
      attempts.push(end.record);
      if ("reply" in end) {
        return {
          jobId,
          server: end.record.server,
          ...(job.region !== undefined && { region: job.region }),
          results: end.reply.results,
          attempts,
          durationMs: now() - startedAt,
        };
      }
      const { error } = end;
      if (!error.retryable || number >= execution.attempts) {
        throw attemptsFailure(jobId, attempts, error);
      }
      const pause = Math.max(backoff(number, { random }), error.retryAfter ?? 0);
      await aside(() => sleep(Math.min(pause, execution.wait), signal));
      signal?.throwIfAborted();
    }
  };
}

/** One attempt, whose record names the worker that had it. */
function createPullAttempt(
  executor: Executor,
  execution: Required<ExecutionConfig>,
  now: () => number,
): PullAttempt {
  return async ({ server, job, runId, jobId, number, signal, onStart, onEvent, trace }) => {
    let startedAt = now();
    let worker = server.id;
    let over = false;
    const abort = new AbortController();
    let leave!: (reason: unknown) => void;
    const left = new Promise<never>((_resolve, reject) => (leave = reject));
    left.catch(() => {});
    const off = onAbort(signal, () => {
      // An order that is merely handed back stays with its queue or worker.
      if (!isHandedBack(signal!)) abort.abort(signal!.reason);
      leave(signal!.reason);
    });
    const record = (): Omit<Attempt, "outcome"> => ({
      number,
      server: worker,
      startedAt: new Date(startedAt).toISOString(),
      durationMs: now() - startedAt,
    });
    try {
      signal?.throwIfAborted();
      const reply = executor.execute({
        server,
        job,
        runId,
        idempotencyKey: `${runId}/${jobId}`,
        attempt: number,
        signal: abort.signal,
        timeout: job.timeout ?? execution.timeout,
        wait: execution.wait,
        onStart(id) {
          worker = id;
          startedAt = now();
          onStart?.(id);
        },
        ...(onEvent && {
          onEvent(event) {
            if (!over && !abort.signal.aborted) onEvent(event);
          },
        }),
        ...(trace && { trace }),
      });
      const answer = await Promise.race([reply, left]);
      return { record: { ...record(), outcome: "answered" }, reply: answer };
    } catch (cause) {
      signal?.throwIfAborted();
      const error = toError(cause, executor.name);
      const { code, message } = error;
      return { record: { ...record(), outcome: "failed", error: { code, message } }, error };
    } finally {
      over = true;
      off();
    }
  };
}
