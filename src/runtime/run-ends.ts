/** Who waits for which run's end. */
export interface RunEnds {
  /** Wakes all who wait for the run. */
  notify(runId: string): void;
  /** Calls back at the run's end, until the returned function is called. */
  subscribe(runId: string, callback: () => void): () => void;
}

/** Creates a registry of waiters, empty. */
export function createRunEnds(): RunEnds {
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
  };
}
