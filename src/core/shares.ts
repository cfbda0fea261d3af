import type { Others } from "./instances.ts";

/** Milliseconds that a process may go on with places of which there are too few for all, and then leaves them. */
const turn = { lasts: 1000, pause: 600 };

/** How many of a server's places this process may have, while jobs of others wait for some. */
export type Share = (serverId: string, capacity: number, others: Others) => number;

/**
 * Shares of places, so that no process takes all of them again and again: as many as there are for each, rounded up
 * so that none is left over, or where there are fewer places than processes, all of them in turns.
 */
export function createShares(now: () => number): Share {
  const turns = new Map<string, { began: number; pausing?: number }>();
  return (serverId, capacity, { processes, waiting }) => {
    const time = now();
    let current = turns.get(serverId);
    const isNew = current?.pausing === undefined ? !current : time - current.pausing >= turn.pause;
    if (!waiting || !current || isNew) turns.set(serverId, (current = { began: time }));
    if (!waiting) return Infinity;
    if (processes >= capacity && time - current.began >= turn.lasts) {
      current.pausing ??= time;
      return 0;
    }
    return Math.ceil(capacity / (processes + 1));
  };
}
