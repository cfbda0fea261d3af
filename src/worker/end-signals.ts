import { constants } from "node:os";

/** Within these milliseconds a signal is the same one again: npm passes on what its children get from the terminal too. */
const SAME_MS = 25;

/** Calls back when the process is told to end; told once more, it ends at once. Hears nothing after the answer was called. */
export function onEndSignals(callback: (signal: "SIGINT" | "SIGTERM") => void): () => void {
  let toldAt: number | undefined;
  const receive = (signal: "SIGINT" | "SIGTERM"): void => {
    const now = performance.now();
    if (toldAt === undefined) {
      toldAt = now;
      callback(signal);
    } else if (now - toldAt > SAME_MS) {
      process.exit(128 + constants.signals[signal]);
    }
  };
  process.on("SIGTERM", receive).on("SIGINT", receive);
  return () => void process.off("SIGTERM", receive).off("SIGINT", receive);
}
