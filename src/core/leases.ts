import { firstOf, sleep as realSleep, type Sleep } from "./sleep.ts";

/** A place held on a server until it is released or expires. */
export interface Lease {
  readonly id: string;
  readonly serverId: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** How long a lease lasts, and how many its server may have. */
export interface LeaseTerms {
  /** Milliseconds. */
  ttl: number;
  /** Most live leases of the server; unlimited when absent. */
  capacity?: number;
}

/** The places held on servers. What is in flight is counted from them, so a crash leaks nothing for ever. */
export interface Leases {
  /** Takes a place, or `undefined` where the server is full. */
  acquire(serverId: string, terms: LeaseTerms): Lease | undefined;
  /** Lets a live lease last `ttl` milliseconds from now; `undefined` if it is gone. */
  renew(id: string, ttl: number): Lease | undefined;
  /** Swaps a live lease of that server for a new one, so that its id cannot be used twice. */
  takeOver(id: string, serverId: string, ttl: number): Lease | undefined;
  /** Gives a place back; unknown ids are ignored. */
  release(id: string): void;
  /** Live leases of a server. */
  count(serverId: string): number;
  /**
   * Where others hold places too: keeps a lease just taken if all of them are within the capacity, else gives it
   * back. Absent where a lease that was taken is sure.
   */
  confirm?(lease: Lease, capacity: number): Promise<boolean>;
  /** Where others hold places too: asks them to leave some of these servers' to this process. */
  want?(serverIds: readonly string[]): void;
  /** Resolves at the next release, at the next expiry of a lease held now, or when aborted. */
  released(signal?: AbortSignal): Promise<void>;
}

/** The leases of one server. */
interface Shelf {
  held: Map<string, Lease>;
  /** No lease expires before this; spares a look at each of them. */
  soonest: number;
}

/** Leases kept in memory, expiring by the given clock. */
export function createLeases(
  options: { now?: () => number; random?: () => number; sleep?: Sleep } = {},
): Leases {
  const { now = Date.now, random = Math.random, sleep = realSleep } = options;
  const shelves = new Map<string, Shelf>();
  const waiting = new Set<() => void>();
  // Ids outlive the process in a run's log: without a random part, an old one could hit a new lease.
  const origin = random().toString(36).slice(2, 12);
  let issued = 0;

  function add(serverId: string, ttl: number): Lease {
    const shelf = shelves.get(serverId) ?? { held: new Map(), soonest: Infinity };
    shelves.set(serverId, shelf);
    issued += 1;
    return put(shelf, { id: `${origin}-${issued}`, serverId, expiresAt: now() + ttl });
  }

  function put(shelf: Shelf, lease: Lease): Lease {
    shelf.held.set(lease.id, lease);
    shelf.soonest = Math.min(shelf.soonest, lease.expiresAt);
    return lease;
  }

  /** Drops a server's expired leases and says whether there were any. */
  function sweep(shelf: Shelf): boolean {
    const time = now();
    if (time < shelf.soonest) return false;
    const before = shelf.held.size;
    shelf.soonest = Infinity;
    for (const lease of shelf.held.values()) {
      if (lease.expiresAt <= time) shelf.held.delete(lease.id);
      else shelf.soonest = Math.min(shelf.soonest, lease.expiresAt);
    }
    return shelf.held.size < before;
  }

  function find(id: string): Shelf | undefined {
    for (const shelf of shelves.values()) {
      if (!shelf.held.has(id)) continue;
      sweep(shelf);
      return shelf.held.has(id) ? shelf : undefined;
    }
    return undefined;
  }

  /** Waits for an expiry: a renewed lease moves it, so it looks again each time. */
  async function expired(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const swept = [...shelves.values()].map(sweep);
      if (swept.includes(true)) return;
      const soonest = Math.min(...[...shelves.values()].map((shelf) => shelf.soonest));
      await sleep(Math.max(1, soonest - now()), signal);
    }
  }

  function nextRelease(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        waiting.delete(end);
        resolve();
      };
      waiting.add(end);
      signal.addEventListener("abort", end);
    });
  }

  function count(serverId: string): number {
    const shelf = shelves.get(serverId);
    if (!shelf) return 0;
    sweep(shelf);
    return shelf.held.size;
  }

  return {
    acquire(serverId, { ttl, capacity = Infinity }) {
      return count(serverId) < capacity ? add(serverId, ttl) : undefined;
    },
    renew(id, ttl) {
      const shelf = find(id);
      return shelf && put(shelf, { ...shelf.held.get(id)!, expiresAt: now() + ttl });
    },
    takeOver(id, serverId, ttl) {
      const shelf = find(id);
      if (!shelf || shelf !== shelves.get(serverId)) return undefined;
      shelf.held.delete(id);
      return add(serverId, ttl);
    },
    release(id) {
      const shelf = find(id);
      if (!shelf) return;
      shelf.held.delete(id);
      for (const wake of waiting) wake();
    },
    count,
    released: (signal) => firstOf(signal, nextRelease, expired),
  };
}
