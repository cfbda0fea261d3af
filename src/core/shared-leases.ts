import { createInstances, instanceTtl, type InstanceRecord } from "./instances.ts";
import type { Lease, Leases } from "./leases.ts";
import { keyOf, keysAge, type SharedRecords } from "./shared-records.ts";
import { createShares } from "./shares.ts";
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

/** Milliseconds until what is held now is told. */
const tellAfter = 100;

/** Milliseconds after which places are no longer confirmed by a storage that is away. */
const confirmWithin = 5000;

/** Milliseconds that a job counts as waiting for a server after it has last looked. */
const wantedFor = 600;

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
 *
 * So that nobody takes all places again and again, a record also says on which servers jobs wait: while those of
 * others do, a process keeps to its share, or where there are fewer places than processes, to its turn.
 */
export function createSharedLeases(options: SharedLeasesOptions): SharedLeases {
  const { records, own, now = Date.now, sleep = idleSleep } = options;
  const key = `instances:${keyOf(options.instance)}`;
  const closing = new AbortController();
  const instances = createInstances({ records, key, now, sleep, signal: closing.signal });
  const share = createShares(now);
  /** Servers on which this process holds places. */
  const touched = new Set<string>();
  /** When a job of this process last looked for a place on a server, and found none. */
  const wanted = new Map<string, number>();
  let claims: Claim[] = [];
  let confirming: Promise<void> | undefined;
  let telling: Promise<unknown> | undefined;
  let aboutToTell = false;
  let beat = 0;
  let told = "";
  let toldAt = -Infinity;
  /** From when on places may be confirmed (4). */
  let settledAt = Infinity;

  /** What this process holds, and where its jobs wait. */
  function ownRecord(): InstanceRecord {
    const held: InstanceRecord["held"] = [];
    for (const id of touched) {
      const places = own.count(id);
      if (places > 0) held.push([id, places]);
      else touched.delete(id);
    }
    for (const [id, at] of wanted) if (at <= now() - wantedFor) wanted.delete(id);
    // Who gets none yet keeps none from others.
    return { held, wants: now() < settledAt ? [] : [...wanted.keys()] };
  }

  /**
   * Writes this process's record, one after another; answers with what it says, or undefined where the storage
   * did not take it.
   *
   * @param onLook called when what is held is looked at
   */
  function tell(onLook?: () => void): Promise<InstanceRecord | undefined> {
    const before = telling;
    const told = (async () => {
      await before;
      onLook?.();
      return write(ownRecord());
    })();
    telling = told;
    return told;
  }

  async function write(record: InstanceRecord): Promise<InstanceRecord | undefined> {
    const begun = now();
    // Others may have taken one that is silent for dead, and forgotten it.
    if (begun - toldAt >= instanceTtl) settledAt = Infinity;
    if (!(await records.write(key, { beat: ++beat, ...record }))) return undefined;
    told = JSON.stringify(record);
    toldAt = begun;
    if (settledAt === Infinity) await settle();
    return record;
  }

  /** Finds out who else is there, once this process's record is. */
  async function settle(): Promise<void> {
    const since = now();
    const alone = await instances.isAlone();
    if (alone !== undefined) settledAt = alone ? since : since + 2 * keysAge;
  }

  /** Tells soon what is held now; what changes until then goes with it. */
  function tellSoon(): void {
    if (aboutToTell || closing.signal.aborted) return;
    aboutToTell = true;
    void sleep(tellAfter, closing.signal).then(() => {
      aboutToTell = false;
      if (closing.signal.aborted) return;
      if (JSON.stringify(ownRecord()) !== told) void tell();
      // That they do not wait any more has to be told too.
      if (wanted.size > 0) tellSoon();
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
    const decidable =
      lost || (said !== undefined && (await instances.read()) && now() >= settledAt);
    const holding = said && new Map(said.held);
    const room = new Map<string, number>();
    for (const { lease, capacity } of batch) {
      const { serverId } = lease;
      const claimed = batch.filter((claim) => claim.lease.serverId === serverId).length;
      const kept = (holding ? (holding.get(serverId) ?? 0) : own.count(serverId)) - claimed;
      const others = instances.others(serverId);
      const most = Math.min(capacity - others.places, share(serverId, capacity, others));
      const left = decidable ? most - kept : 0;
      room.set(serverId, Math.min(left, room.get(serverId) ?? Infinity));
    }
    return { batch, room };
  }

  async function beatOn(): Promise<void> {
    while (!closing.signal.aborted) {
      await sleep(beatEvery, closing.signal);
      if (!closing.signal.aborted && now() - toldAt >= beatEvery / 2) await tell();
    }
  }

  return {
    acquire(serverId, { ttl, capacity = Infinity }) {
      return touch(
        own.acquire(serverId, { ttl, capacity: capacity - instances.others(serverId).places }),
      );
    },
    renew: (id, ttl) => touch(own.renew(id, ttl)),
    takeOver: (id, serverId, ttl) => touch(own.takeOver(id, serverId, ttl)),
    release(id) {
      own.release(id);
      if (touched.size > 0) tellSoon();
    },
    count: (serverId) => own.count(serverId) + instances.others(serverId).places,
    released: own.released,
    confirm: (lease, capacity) =>
      new Promise((decide) => {
        claims.push({ lease, capacity, decide });
        confirming ??= confirmAll().finally(() => {
          confirming = undefined;
          tellSoon();
        });
      }),
    want(serverIds) {
      for (const id of serverIds) wanted.set(id, now());
      if (serverIds.length > 0) tellSoon();
    },
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
