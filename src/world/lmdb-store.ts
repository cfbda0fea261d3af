import { existsSync } from "node:fs";
import { open, type RootDatabase, type RootDatabaseOptions } from "lmdb";
import { copy } from "./copy.ts";
import { boundsOf, bucketOf, merged, type Pending } from "./pending.ts";
import type { Range, Store, Wait, Write } from "./store.ts";

/** Changes that one transaction commits. */
interface Group {
  writes: Pending;
  durable: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
  /** How those wait for it who are in the greatest hurry. */
  wait: Wait;
}

/** A store on LMDB, with what its owner needs of the database below. */
export interface LmdbStore extends Store {
  /**
   * Runs a read and a write in one transaction that no other process can fall into, and waits for the disk in it.
   * For the few moments at which two processes may meet; everything else goes through `write`.
   */
  exclusively<T>(action: (database: RootDatabase<any, string>) => T): T;
  /** A value as the database has it, which another World of this process may have changed. */
  current<T>(key: string): T | undefined;
  /** Resolves when all that has been written is durable, or cannot be. */
  settled(): Promise<void>;
}

/**
 * Transactions on their way to the disk, beyond which what is written waits and is committed together. More than one,
 * because the end of a transaction is only noticed when the processor is free.
 */
const MAX_IN_FLIGHT = 4;
/** How long changes are kept back that nothing depends on, so that they are committed with others. */
const LINGER_MS = 5;
/** The longest commit in this thread that does no harm. */
const MAX_BLOCKING_MS = 5;
/** For how many times its duration no other is made after one that took longer. */
const BLOCKING_PAUSE = 20;
/** A promise for those who have nothing to wait for. */
const done = Promise.resolve();
/** Records kept decoded. */
const MAX_DECODED = 5000;
/** The longest text or bytes in a record that is kept decoded. */
const MAX_DECODED_PART = 4096;

/**
 * Opens the store in a folder.
 *
 * What is written in one turn of the event loop commits in one transaction, and in as few as need be while the disk
 * is behind. `write` resolves when that transaction has been flushed (`fdatasync` of its pages,
 * then of the meta page that names them): it survives `kill -9` and a loss of power. LMDB's overlapping sync lets
 * the next transaction be built while the disk is busy; after a loss of power the last flushed one is opened.
 *
 * Whoever waits idly is spared the way to LMDB's thread and back, which takes longer than the disk: the
 * commit and its flush are made in this thread, unless others wait for the group too, another is on its way, or the
 * disk has turned out to be slow.
 */
export function openLmdbStore(options: { dataDir: string; readOnly: boolean }): LmdbStore {
  const { dataDir, readOnly } = options;
  if (readOnly && !existsSync(`${dataDir}/data.mdb`)) {
    throw new Error(`[orchestrator] no World to read in ${dataDir}: nothing has been stored there`);
  }
  // `txnStartThreshold` is documented and missing in the types.
  const settings: RootDatabaseOptions & { txnStartThreshold: number } = {
    readOnly,
    noSubdir: false,
    // Groups are made here; the library need not wait for the end of the turn as well.
    eventTurnBatching: false,
    txnStartThreshold: 1,
    separateFlushed: true,
  };
  const database = open<any, string>(dataDir, settings);

  /** Records that were read, decoded; the oldest go first. A reader beside a writer cannot know when they change. */
  const decoded = new Map<string, {}>();

  /** What is written and not yet durable, oldest first; reads look here before they look into the database. */
  const groups: Group[] = [];
  let next: Group | undefined;
  let inFlight = 0;
  let scheduled = false;
  let lingering: ReturnType<typeof setTimeout> | undefined;
  /** Until when no commit is made in this thread. */
  let unblockedUntil = 0;
  let failure: Error | undefined;

  function pendingOf(key: string): { value: {} | undefined } | undefined {
    for (let index = groups.length - 1; index >= 0; index--) {
      const bucket = groups[index]!.writes.get(bucketOf(key));
      if (bucket?.has(key)) return { value: bucket.get(key) };
    }
    return undefined;
  }

  function current<T>(key: string): T | undefined {
    const value = database.get(key);
    return value === undefined ? undefined : (copy(value) as T);
  }

  /** Brings what is kept decoded up to what has been committed. */
  function refresh({ writes }: Group): void {
    for (const bucket of writes.values()) {
      for (const [key, value] of bucket) {
        if (!decoded.has(key)) continue;
        if (value !== undefined && isSmall(value)) decoded.set(key, value);
        else decoded.delete(key);
      }
    }
  }

  /** Hands what has been written to the database, which commits in the order of the calls. */
  async function commit(): Promise<void> {
    scheduled = false;
    if (!next || failure || inFlight >= MAX_IN_FLIGHT) return;
    const group = next;
    next = undefined;
    inFlight++;
    try {
      const alone = group.wait === "idly" && inFlight === 1;
      if (alone && performance.now() >= unblockedUntil) commitHere(group);
      else await commitElsewhere(group);
      groups.splice(groups.indexOf(group), 1);
      refresh(group);
      group.resolve();
    } catch (error) {
      // What came after was decided on what has now not happened: nothing can be stored any more.
      failure ??= new Error(`[orchestrator] the World in ${dataDir} could not be written`, {
        cause: error,
      });
      for (const { reject } of groups) reject(failure);
    }
    inFlight--;
    // What nobody is in a hurry for has a timer of its own.
    if (!lingering) void commit();
  }

  /** Makes a group's changes in the transaction that is open. */
  function apply({ writes }: Group): void {
    for (const bucket of writes.values()) {
      for (const [key, value] of bucket) {
        if (value === undefined) void database.remove(key);
        else void database.put(key, value);
      }
    }
  }

  /** Commits and flushes in this thread, and notes when that took too long to be done again soon. */
  function commitHere(group: Group): void {
    const began = performance.now();
    database.transactionSync(() => apply(group));
    const took = performance.now() - began;
    if (took > MAX_BLOCKING_MS) unblockedUntil = began + took * BLOCKING_PAUSE;
  }

  async function commitElsewhere(group: Group): Promise<void> {
    const committed = database.batch(() => apply(group)) as Promise<boolean> & {
      flushed?: Promise<unknown>;
    };
    const { flushed } = committed;
    await committed;
    await flushed;
  }

  /** Has what is written by the end of this turn committed, unless enough is on its way already. */
  function schedule(): void {
    clearTimeout(lingering);
    lingering = undefined;
    if (scheduled || !next || inFlight >= MAX_IN_FLIGHT) return;
    scheduled = true;
    setImmediate(() => void commit());
  }

  function refused(): Error | undefined {
    if (!readOnly) return failure;
    return new Error(`[orchestrator] the World in ${dataDir} is open for reading only`);
  }

  /** Adds changes to those that are committed next. */
  function append(writes: readonly Write[]): Group {
    if (!next) groups.push((next = newGroup()));
    for (const { key, value } of writes) {
      const name = bucketOf(key);
      let bucket = next.writes.get(name);
      if (!bucket) next.writes.set(name, (bucket = new Map()));
      bucket.set(key, value);
    }
    return next;
  }

  async function settled(): Promise<void> {
    schedule();
    for (let last = groups.at(-1); last; last = groups.at(-1)) {
      try {
        await last.durable;
      } catch {
        return;
      }
    }
  }

  return {
    get<T>(key: string) {
      const pending = groups.length > 0 ? pendingOf(key) : undefined;
      if (pending) return pending.value as T | undefined;
      const known = decoded.get(key);
      if (known !== undefined) return known as T;
      const value = current<{}>(key);
      if (value !== undefined && !readOnly && isSmall(value)) {
        decoded.set(key, value);
        if (decoded.size > MAX_DECODED) decoded.delete(decoded.keys().next().value!);
      }
      return value as T | undefined;
    },
    has(key) {
      const pending = groups.length > 0 ? pendingOf(key) : undefined;
      return pending ? pending.value !== undefined : database.doesExist(key);
    },
    current,
    range: <T>(range: Range) => merged<T>(database, groups, range),
    count: (range) => database.getKeysCount(boundsOf(range)),
    write(writes, wait = "busily") {
      const refusal = refused();
      if (refusal) return Promise.reject(refusal);
      const group = append(writes);
      if (wait === "patiently") {
        if (!scheduled) lingering ??= setTimeout(schedule, LINGER_MS);
      } else {
        if (group.wait !== "busily") group.wait = wait;
        schedule();
      }
      return group.durable;
    },
    durable(key) {
      if (failure) return Promise.reject(failure);
      const last = groups.findLast(
        ({ writes }) => key === undefined || writes.get(bucketOf(key))?.has(key),
      );
      return last?.durable ?? done;
    },
    exclusively: (action) => database.transactionSync(() => action(database)),
    settled,
    async close() {
      await settled();
      await database.close();
    },
  };
}

/** True for a value that may be kept in memory beside many others. */
function isSmall(value: {}): boolean {
  // Bytes are an object of one property each.
  if (value instanceof Uint8Array) return value.length <= MAX_DECODED_PART;
  return Object.values(value).every(
    (part) =>
      !((part instanceof Uint8Array || typeof part === "string") && part.length > MAX_DECODED_PART),
  );
}

function newGroup(): Group {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const durable = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  // Also those who do not wait for it learn of a failure, at their next write.
  durable.catch(() => undefined);
  return { writes: new Map(), durable, resolve, reject, wait: "patiently" };
}
