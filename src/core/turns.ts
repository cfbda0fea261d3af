/** Lets what is done under one key be done one after another. */
export interface Turns {
  /** Runs when all that came before under the key has ended, however it ended. */
  take<T>(key: string, run: () => Promise<T>): Promise<T>;
}

/** Creates turns, with nobody waiting. */
export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    async take(key, run) {
      const turn = (last.get(key) ?? Promise.resolve()).then(run, run);
      // Whoever comes next waits for the end, and must not fail for another's failure.
      const end = turn.then(
        () => undefined,
        () => undefined,
      );
      last.set(key, end);
      try {
        return await turn;
      } finally {
        if (last.get(key) === end) last.delete(key);
      }
    },
  };
}
