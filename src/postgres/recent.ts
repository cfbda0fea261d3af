/** Ids of what has lately happened in this process; one that is forgotten costs a statement more. */
export interface Recent {
  add(id: string): void;
  delete(id: string): void;
  has(id: string): boolean;
}

const REMEMBERED = 5000;

/** Creates a memory of the last few thousand. */
export function createRecent(): Recent {
  const ids = new Set<string>();
  return {
    add(id) {
      ids.add(id);
      if (ids.size > REMEMBERED) ids.delete(ids.values().next().value!);
    },
    delete: (id) => void ids.delete(id),
    has: (id) => ids.has(id),
  };
}
