import { constants } from "node:os";

/** A signal that asks the process to end. */
type EndSignal = "SIGINT" | "SIGTERM";

/** Within these milliseconds a signal is the same one again: npm passes on what its children get from the terminal too. */
const SAME_MS = 25;

// The process's own, and so is who hears of its signals.
const callbacks: ((signal: EndSignal) => void)[] = [];
let toldAt: number | undefined;

/** Calls back when the process is told to end; told a second time, it ends at once. */
export function onEndSignal(callback: (signal: EndSignal) => void): void {
  callbacks.push(callback);
  if (callbacks.length > 1) return;
  process.on("SIGTERM", receive).on("SIGINT", receive);
}

function receive(signal: EndSignal): void {
  const now = performance.now();
  if (toldAt === undefined) {
    toldAt = now;
    for (const callback of callbacks) callback(signal);
  } else if (now - toldAt > SAME_MS) {
    process.exit(128 + constants.signals[signal]);
  }
}

/**
 * The same in a Nitro app, before Nitro's server begins to close.
 *
 * Nitro leaves signals alone where `CI` or `TEST` is set. Listening would turn their effect off there,
 * so a signal that nobody else has heard is sent again.
 */
export function onEndSignalOfNitro(callback: () => void): void {
  onEndSignal((signal) => {
    callback();
    setImmediate(() => {
      if (process.listenerCount(signal) > 1) return;
      process.off(signal, receive);
      process.kill(process.pid, signal);
    });
  });
}

/**
 * Waits for something that may start a worker of `graphile-worker`, and takes from it that it hears signals: it
 * would stop before our drain is over, and then send the signal once more.
 */
export async function keepSignals(start: () => Promise<void> | undefined): Promise<void> {
  const signals = ["SIGTERM", "SIGINT"] as const;
  const before = new Set(signals.flatMap((signal) => process.listeners(signal)));
  await start();
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (listener.name !== "gracefulHandler" || before.has(listener)) continue;
      process.off(signal, listener);
    }
  }
}
