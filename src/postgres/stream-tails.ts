import { onAbort } from "../core/abort.ts";
import type { StreamState } from "./stream-store.ts";

/** Who waits for more of which stream. */
export interface StreamTails {
  /** Wakes those for whom the stream's state is news, or all of the stream where the state is not known. */
  tell(key: string, state?: StreamState): void;
  /** Wakes all, since something may have been missed. */
  tellAll(): void;
  /** Begins to wait for what comes behind an index of a stream; an abort ends it too. */
  follow(key: string, index: number, signal: AbortSignal): StreamTail;
}

/** A place in a stream at which one waits for more. */
export interface StreamTail {
  /** Resolves when there is more, at once where it came since the beginning, or after so many milliseconds. */
  more(ms: number): Promise<void>;
  stop(): void;
}

/** Creates a registry of those who wait, empty. */
export function createStreamTails(): StreamTails {
  const waiting = new Map<string, Set<(state?: StreamState) => void>>();
  return {
    tell(key, state) {
      for (const wake of waiting.get(key) ?? []) wake(state);
    },
    tellAll() {
      for (const tails of waiting.values()) for (const wake of tails) wake();
    },
    follow(key, index, signal) {
      const tails = waiting.get(key) ?? new Set();
      let woken = false;
      let resolve = (): void => undefined;
      const wake = (state?: StreamState): void => {
        if (state && !state.done && state.length <= index) return;
        woken = true;
        resolve();
      };
      waiting.set(key, tails.add(wake));
      const off = onAbort(signal, wake);
      return {
        more: (ms) =>
          new Promise((done) => {
            if (woken) return done();
            const timer = setTimeout(() => resolve(), ms);
            timer.unref();
            resolve = () => {
              clearTimeout(timer);
              done();
            };
          }),
        stop() {
          off();
          tails.delete(wake);
          if (tails.size === 0) waiting.delete(key);
        },
      };
    },
  };
}
