import { longestTimer } from "../core/sleep.ts";

/** A timer that is set to the first of several times, and keeps no process alive. */
export interface Alarm {
  set(delayMs: number): void;
  clear(): void;
  /** Milliseconds until it rings. */
  left(): number | undefined;
}

/** Creates an alarm that is not set. */
export function createAlarm(ring: () => void): Alarm {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let due = Infinity;

  function clear(): void {
    clearTimeout(timer);
    due = Infinity;
  }

  return {
    set(delayMs) {
      const delay = Math.min(Math.max(0, Math.ceil(delayMs)), longestTimer);
      const next = performance.now() + delay;
      if (next >= due) return;
      clear();
      due = next;
      timer = setTimeout(() => {
        due = Infinity;
        ring();
      }, delay);
      timer.unref();
    },
    clear,
    left: () => (Number.isFinite(due) ? Math.max(0, due - performance.now()) : undefined),
  };
}
