/** Node warns of a leak at the eleventh listener of a signal, and a run's jobs all share one. */
const listeners: WeakMap<AbortSignal, Set<() => void>> = new WeakMap();

/**
 * Calls the listener when the signal aborts, at once if it has, and never after the returned
 * function was called.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (!signal) return () => {};
  if (signal.aborted) {
    listener();
    return () => {};
  }
  const shared = listeners.get(signal) ?? share(signal);
  // Its own function, so that one listener given twice counts as two.
  const call = (): void => listener();
  shared.add(call);
  return () => void shared.delete(call);
}

function share(signal: AbortSignal): Set<() => void> {
  const shared = new Set<() => void>();
  listeners.set(signal, shared);
  signal.addEventListener("abort", () => shared.forEach((call) => call()), { once: true });
  return shared;
}
