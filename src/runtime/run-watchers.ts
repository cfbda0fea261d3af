import { onAbort } from "../core/abort.ts";

/** Who waits for news of which run: of its end, of its journal. */
export interface RunWatchers {
  /** Wakes all who wait for the run. */
  notify(runId: string): void;
  /** Calls back at each of the run's news, until the returned function is called. */
  subscribe(runId: string, callback: () => void): () => void;
  /** Runs that somebody waits for. */
  watched(): string[];
}

/** Creates a registry of watchers, empty. */
export function createRunWatchers(): RunWatchers {
  const waiting = new Map<string, Set<() => void>>();
  return {
    notify(runId) {
      for (const callback of waiting.get(runId) ?? []) callback();
    },
    subscribe(runId, callback) {
      const callbacks = waiting.get(runId) ?? new Set();
      waiting.set(runId, callbacks.add(callback));
      return () => {
        callbacks.delete(callback);
        if (callbacks.size === 0) waiting.delete(runId);
      };
    },
    watched: () => [...waiting.keys()],
  };
}

/** Waits for news that came since it was last reset. */
export interface RunListener {
  reset(): void;
  /** Resolves when there are news, at once where there were some, or after so many milliseconds. */
  within(ms: number): Promise<void>;
  stop(): void;
}

/** Listens for a run's news; an abort of one of the signals is news too. */
export function listenTo(
  watchers: RunWatchers,
  runId: string,
  signals: readonly (AbortSignal | undefined)[],
): RunListener {
  let woken = false;
  let wake = (): void => undefined;
  const notice = (): void => {
    woken = true;
    wake();
  };
  // Not `AbortSignal.any`: on Node 20 it leaks on a signal that outlives many others.
  const offs = signals.map((signal) => onAbort(signal, notice));
  offs.push(watchers.subscribe(runId, notice));
  return {
    reset() {
      woken = false;
    },
    within: (ms) =>
      new Promise((resolve) => {
        if (woken) return resolve();
        const timer = setTimeout(() => wake(), ms);
        timer.unref();
        wake = () => {
          clearTimeout(timer);
          wake = () => undefined;
          resolve();
        };
      }),
    stop() {
      for (const off of offs) off();
    },
  };
}

/** How often a run's record is read while its end is waited for, since another process may bring it about. */
const REREAD_MS = 1000;

/** Calls back once when a run has ended, here or in another process, unless it is stopped before. */
export function watchEnd(
  ends: RunWatchers,
  runId: string,
  hasEnded: () => Promise<boolean>,
  callback: () => void,
): () => void {
  let asking = false;
  const timer = setInterval(() => {
    // A World that is out of reach is asked again, when it has said so.
    if (asking) return;
    asking = true;
    hasEnded()
      .then(
        (ended) => ended && end(),
        () => undefined,
      )
      .finally(() => (asking = false));
  }, REREAD_MS);
  timer.unref();
  const unsubscribe = ends.subscribe(runId, () => end());
  let stopped = false;
  function stop(): void {
    stopped = true;
    clearInterval(timer);
    unsubscribe();
  }
  function end(): void {
    if (stopped) return;
    stop();
    callback();
  }
  return stop;
}
