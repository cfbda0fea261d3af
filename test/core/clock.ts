import type { Sleep } from "../../src/core/sleep.ts";

/** A clock that moves only when told to, and the sleep that goes by it. */
export interface Clock {
  now: () => number;
  sleep: Sleep;
  /** Moves the time on, waking each sleeper at its time and letting what follows run. */
  advance: (ms: number) => Promise<void>;
  /** Sleepers that have not woken yet. */
  pending: () => number;
}

export function createClock(start = 1_000_000): Clock {
  let time = start;
  const sleepers = new Set<{ at: number; wake: () => void }>();
  return {
    now: () => time,
    pending: () => sleepers.size,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const sleeper = {
          at: time + ms,
          wake: () => {
            sleepers.delete(sleeper);
            signal?.removeEventListener("abort", sleeper.wake);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", sleeper.wake);
      }),
    async advance(ms) {
      const end = time + ms;
      await settled();
      for (;;) {
        const due = [...sleepers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (!due) break;
        time = Math.max(time, due.at);
        due.wake();
        await settled();
      }
      time = end;
    },
  };
}

/** Resolves once everything that can run without the time moving has run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
