/**
 * Calls back once when the process is told to end, before Nitro's server begins to close.
 *
 * Nitro leaves signals alone where `CI` or `TEST` is set. Listening would turn their effect off there,
 * so a signal that nobody else has heard is sent again.
 */
export function onEndSignal(callback: () => void): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      callback();
      setImmediate(() => {
        if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
      });
    });
  }
}
