/** A place in a line. */
export interface Place {
  /** Resolves when all who came before have left. */
  readonly turn: Promise<void>;
  /** Leaves the line, from any place in it. */
  leave: () => void;
}

/** Lines by key, in which waiters get their turn in the order they came. */
export interface Lines {
  /** Whether someone stands in that line. */
  has(key: string): boolean;
  join(key: string): Place;
}

/** Empty lines. */
export function createLines(): Lines {
  const ends = new Map<string, Promise<void>>();
  return {
    has: (key) => ends.has(key),
    join(key) {
      const turn = ends.get(key) ?? Promise.resolve();
      let leave!: () => void;
      const left = new Promise<void>((resolve) => {
        leave = resolve;
      });
      // Who comes next waits for those before me too: I may give up before they do.
      const end = Promise.all([turn, left]).then(() => {
        if (ends.get(key) === end) ends.delete(key);
      });
      ends.set(key, end);
      return { turn, leave };
    },
  };
}
