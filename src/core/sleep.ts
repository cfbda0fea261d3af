import { onAbort } from "./abort.ts";

/** Waits that many milliseconds, or until the signal aborts; never rejects. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/** The longest delay a timer takes; a longer one would fire at once. */
export const longestTimer: number = 2 ** 31 - 1;

/** A `Sleep` on the global timer. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return timer(ms, signal, true);
}

/** A `Sleep` that does not keep the process alive. */
export function idleSleep(ms: number, signal?: AbortSignal): Promise<void> {
  return timer(ms, signal, false);
}

/** Waits for the first of several things, then aborts the signal the others were given. */
export async function firstOf(
  signal: AbortSignal | undefined,
  ...waits: ((signal: AbortSignal) => Promise<unknown>)[]
): Promise<void> {
  const over = new AbortController();
  // Without a reason, each abort would make an error that nobody reads.
  const abort = (): void => over.abort("over");
  const aborted = new Promise<void>((resolve) => {
    onAbort(over.signal, resolve);
  });
  const off = onAbort(signal, abort);
  try {
    await Promise.race([aborted, ...waits.map((wait) => wait(over.signal))]);
  } finally {
    off();
    abort();
  }
}

function timer(ms: number, signal: AbortSignal | undefined, keepAlive: boolean): Promise<void> {
  return new Promise((resolve) => {
    const handle = setTimeout(
      () => {
        off();
        resolve();
      },
      Math.min(ms, longestTimer),
    );
    const off = onAbort(signal, () => {
      clearTimeout(handle);
      resolve();
    });
    // Only Node's timers know `unref`.
    if (!keepAlive) (handle as unknown as { unref?: () => void }).unref?.();
  });
}
