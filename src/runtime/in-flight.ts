import { onAbort } from "../core/abort.ts";
import { handedBack, isHandedBack } from "../core/handed-back.ts";
import { sleep } from "../core/sleep.ts";

/** The jobs that this process executes, and their way back when it is to end. */
export interface InFlight {
  /** Aborts when the drain is over. */
  readonly over: AbortSignal;
  /**
   * Executes a job. One that is handed back never settles: so its step does not end either, and is taken up by
   * the next start.
   */
  run<T>(signal: AbortSignal | undefined, execute: (job: JobInFlight) => Promise<T>): Promise<T>;
  /**
   * From now on no job is begun, and those without an attempt in flight are handed back. Resolves when the
   * others have ended, or after so many milliseconds, when they are handed back too.
   */
  drain(timeout: number): Promise<void>;
}

/** A job that is executed. */
export interface JobInFlight {
  /** Aborts with the signal it was given, and when the job is handed back. */
  signal: AbortSignal;
  /** Waits for something that is no attempt, such as a server with room. */
  aside<T>(wait: () => Promise<T>): Promise<T>;
}

/** Nothing in flight yet. */
export function createInFlight(): InFlight {
  /** Of the jobs with an attempt in flight, and of those without. */
  const busy = new Set<AbortController>();
  const waiting = new Set<AbortController>();
  const over = new AbortController();
  let drained: Promise<void> | undefined;
  let draining = false;
  let idle = (): void => undefined;

  function settle(job: AbortController): void {
    waiting.delete(job);
    if (busy.delete(job) && busy.size === 0) idle();
  }

  async function aside<T>(job: AbortController, wait: () => Promise<T>): Promise<T> {
    settle(job);
    if (draining) job.abort(handedBack);
    job.signal.throwIfAborted();
    waiting.add(job);
    try {
      return await wait();
    } finally {
      // What the wait brought comes too late for a job that was handed back meanwhile.
      if (waiting.delete(job)) busy.add(job);
    }
  }

  async function drain(timeout: number): Promise<void> {
    draining = true;
    for (const job of waiting) job.abort(handedBack);
    waiting.clear();
    const stop = new AbortController();
    if (busy.size > 0) {
      const ended = new Promise<void>((resolve) => (idle = resolve));
      await Promise.race([ended, sleep(timeout, stop.signal)]);
    }
    stop.abort();
    for (const job of busy) job.abort(handedBack);
    over.abort();
  }

  return {
    over: over.signal,
    async run(signal, execute) {
      if (draining) return never();
      const job = new AbortController();
      const off = onAbort(signal, () => job.abort(signal?.reason));
      busy.add(job);
      try {
        return await execute({ signal: job.signal, aside: (wait) => aside(job, wait) });
      } catch (error) {
        if (isHandedBack(job.signal)) return never();
        throw error;
      } finally {
        off();
        settle(job);
      }
    },
    drain: (timeout) => (drained ??= drain(timeout)),
  };
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
