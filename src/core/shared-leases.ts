import type { Lease, Leases } from "./leases.ts";
import { keyOf, keysAge, recordsAge, type SharedRecords } from "./shared-records.ts";
import { idleSleep, type Sleep } from "./sleep.ts";

/** What leases are shared with. */
export interface SharedLeasesOptions {
  records: SharedRecords;
  /** The leases of this process. */
  own: Leases;
  /** Id of this process among those that share the records. */
  instance: string;
  /** Epoch milliseconds. */
  now?: () => number;
  sleep?: Sleep;
}

/** Leases that several processes share, and their life in this one. */
export interface SharedLeases extends Leases {
  /** Makes this process known to the others. */
  start(): Promise<void>;
  /** Gives back all it holds. */
  close(): Promise<void>;
}

/** Milliseconds between two records of a process that nothing happens in. */
const beatEvery = 4000;

/** Milliseconds without a change of its record after which a process counts as dead, and its places as free. */
const instanceTtl = 15_000;

/** Milliseconds until what is held now is told. */
const tellAfter = 100;

/** Milliseconds after which places are no longer confirmed by a storage that is away. */
const confirmWithin = 5000;

/** Times that a record is read again that somebody is writing just now. */
const rereads = 5;

/** A place that waits for its confirmation. */
interface Claim {
  lease: Lease;
  capacity: number;
  decide: (confirmed: boolean) => void;
}

/**
 * Leases of this process, counted together with those of others.
 *
 * Each process has one record of how many places it holds on each server. A place on a server with a capacity
 * is confirmed: (1) it is in this process's record before the records of the others are read, so that of two
 * who take a place at once at least one sees both; (2) it is kept only if all records together are within the
 * capacity; (3) a record never says less than is kept. So the kept places never exceed the capacity on a
 * storage that answers with what was written last. (4) Records are found by listing keys, which may be
 * `keysAge` old: whoever joins others confirms nothing until all of them must have found its record.
 */
export function createSharedLeases(options: SharedLeasesOptions): SharedLeases {
  const { records, own, now = Date.now, sleep = idleSleep } = options;
  const key = `instances:${keyOf(options.instance)}`;
  const closing = new AbortController();
  /** Servers on which this process holds places. */
  const touched = new Set<string>();
  /** Records of others as they last changed, by this process's clock: theirs may go otherwise. */
  const beats = new Map<string, { value: unknown; since: number }>();
  let claims: Claim[] = [];
  let confirming: Promise<void> | undefined;
  let telling: Promise<unknown> | undefined;
  let aboutToTell = false;
  let beat = 0;
  let told = "";
  let toldAt = -Infinity;
  /** From when on places may be confirmed (4). */
  let settledAt = Infinity;
  let others = new Map<string, number>();
  let countedAt = -Infinity;
  let countedVersion = -1;

  /** What is held of a server's places by those others that live. */
  function held(serverId: string): number {
    const stale = records.version !== countedVersion || now() - countedAt >= recordsAge;
    if (stale) count();
    return others.get(serverId) ?? 0;
  }

  function count(): void {
    countedAt = now();
    countedVersion = records.version;
    others = new Map();
    for (const [, value] of living()) {
      for (const [id, places] of Object.entries(heldOf(value) ?? {})) {
        others.set(id, (others.get(id) ?? 0) + places);
      }
    }
  }

  /** Records of other processes, without those that have not changed for so long that they must have died. */
  function living(): [key: string, value: unknown][] {
    const time = now();
    const found = records.below("instances:").filter(([other]) => other !== key);
    const keys = new Set(found.map(([other]) => other));
    for (const other of beats.keys()) if (!keys.has(other)) beats.delete(other);
    return found.filter(([other, value]) => {
      const seen = beats.get(other);
      if (seen === undefined || JSON.stringify(seen.value) !== JSON.stringify(value)) {
        beats.set(other, { value, since: time });
        return true;
      }
      // While nothing can be read, silence says nothing.
      const silent = Math.min(time, Math.max(records.readAt, seen.since)) - seen.since;
      if (silent >= 2 * instanceTtl) void records.remove(other);
      return silent < instanceTtl;
    });
  }

  /** What this process holds. */
  function holding(): Record<string, number> {
    const places: Record<string, number> = {};
    for (const id of touched) {
      const count = own.count(id);
      if (count > 0) places[id] = count;
      else touched.delete(id);
    }
    return places;
  }

  /**
   * Writes this process's record, one after another; answers with what it says, or undefined where the storage
   * did not take it.
   *
   * @param onLook called when what is held is looked at
   */
  function tell(onLook?: () => void): Promise<Record<string, number> | undefined> {
    const before = telling;
    const told = (async () => {
      await before;
      onLook?.();
      return write(holding());
    })();
    telling = told;
    return told;
  }

  async function write(places: Record<string, number>): Promise<typeof places | undefined> {
    const begun = now();
    // Others may have taken one that is silent for dead, and forgotten it.
    if (begun - toldAt >= instanceTtl) settledAt = Infinity;
    if (!(await records.write(key, { beat: ++beat, held: places }))) return undefined;
    told = JSON.stringify(places);
    toldAt = begun;
    if (settledAt === Infinity) await settle();
    return places;
  }

  /** Finds out who else is there, once this process's record is. */
  async function settle(): Promise<void> {
    const since = now();
    if (!(await records.discover(-1)) || !(await readThem())) return;
    settledAt = living().length === 0 ? since : since + 2 * keysAge;
  }

  /** Tells soon what is held now; what changes until then goes with it. */
  function tellSoon(): void {
    if (aboutToTell || closing.signal.aborted) return;
    aboutToTell = true;
    void sleep(tellAfter, closing.signal).then(() => {
      aboutToTell = false;
      if (closing.signal.aborted || JSON.stringify(holding()) === told) return;
      void tell();
    });
  }

  function touch<T extends Lease | undefined>(lease: T): T {
    if (lease) {
      touched.add(lease.serverId);
      tellSoon();
    }
    return lease;
  }

  /** Decides on claims, on all that came meanwhile in one go. */
  async function confirmAll(): Promise<void> {
    while (claims.length > 0) {
      const { batch, room } = await look();
      let refused = false;
      for (const { lease, decide } of batch) {
        const left = room.get(lease.serverId)!;
        room.set(lease.serverId, left - 1);
        if (left <= 0) {
          own.release(lease.id);
          refused = true;
        }
        decide(left > 0);
      }
      // Others need not keep away from what was not kept.
      if (refused && claims.length === 0) await tell();
    }
  }

  /** Takes the claims there are, and looks how much room there is for them on each of their servers. */
  async function look(): Promise<{ batch: Claim[]; room: Map<string, number> }> {
    let batch: Claim[] = [];
    const take = (): void => void ([batch, claims] = [claims, []]);
    // One that has been away for long is not waited for: each process goes on by what it knows.
    const lost = records.away() > confirmWithin;
    if (lost) take();
    const said = lost ? undefined : await tell(take);
    const decidable = lost || (said !== undefined && (await readOthers()) && now() >= settledAt);
    const room = new Map<string, number>();
    for (const { lease, capacity } of batch) {
      const { serverId } = lease;
      const claimed = batch.filter((claim) => claim.lease.serverId === serverId).length;
      const kept = (said?.[serverId] ?? own.count(serverId)) - claimed;
      const left = decidable ? capacity - held(serverId) - kept : 0;
      room.set(serverId, Math.min(left, room.get(serverId) ?? Infinity));
    }
    return { batch, room };
  }

  function readThem(): Promise<boolean> {
    return records.read(records.keys("instances:").filter((other) => other !== key));
  }

  /** Reads the records of all others as they are now; answers whether none is missing. */
  async function readOthers(): Promise<boolean> {
    if (!(await records.discover())) return false;
    for (let time = 0; time < rereads; time++) {
      if (!(await readThem())) return false;
      if (living().every(([, value]) => heldOf(value) !== undefined)) return true;
      // On a file system a record that is being written is empty for a moment.
      await sleep(2 + 3 * time, closing.signal);
    }
    return false;
  }

  async function beatOn(): Promise<void> {
    while (!closing.signal.aborted) {
      await sleep(beatEvery, closing.signal);
      if (!closing.signal.aborted && now() - toldAt >= beatEvery / 2) await tell();
    }
  }

  return {
    acquire(serverId, { ttl, capacity = Infinity }) {
      return touch(own.acquire(serverId, { ttl, capacity: capacity - held(serverId) }));
    },
    renew: (id, ttl) => touch(own.renew(id, ttl)),
    takeOver: (id, serverId, ttl) => touch(own.takeOver(id, serverId, ttl)),
    release(id) {
      own.release(id);
      if (touched.size > 0) tellSoon();
    },
    count: (serverId) => own.count(serverId) + held(serverId),
    released: own.released,
    confirm: (lease, capacity) =>
      new Promise((decide) => {
        claims.push({ lease, capacity, decide });
        confirming ??= confirmAll().finally(() => {
          confirming = undefined;
          tellSoon();
        });
      }),
    async start() {
      await tell();
      void beatOn();
    },
    async close() {
      closing.abort();
      await confirming;
      await records.remove(key);
    },
  };
}

/** The places a record says are held, by server; undefined for a record that cannot be read. */
function heldOf(value: unknown): Record<string, number> | undefined {
  const held = (value as { held?: unknown } | null)?.held;
  if (typeof held !== "object" || held === null) return undefined;
  const valid = Object.entries(held).filter(([, places]) => Number.isInteger(places) && places > 0);
  return Object.fromEntries(valid) as Record<string, number>;
}
