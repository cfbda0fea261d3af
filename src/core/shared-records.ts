import type { SharedStorage } from "../types/server.ts";
import { reasonOf } from "./errors.ts";
import { idleSleep, type Sleep } from "./sleep.ts";

/** What records are shared through. */
export interface SharedRecordsOptions {
  storage: SharedStorage;
  /** Told once when the storage goes away, and once when it is back. */
  note?: (message: string) => void;
  /** Epoch milliseconds. */
  now?: () => number;
  sleep?: Sleep;
}

/**
 * Records in a storage that others read and write too, kept as they were last read. Nothing here rejects: a
 * storage that is away leaves the last known records in place.
 */
export interface SharedRecords {
  /** Reads all records unless that was done just now; undefined where it was. */
  refresh(): Promise<void> | undefined;
  /** A record as last read. */
  get(key: string): unknown;
  /** Keys below a prefix such as `servers:`, also of records that were not read yet. */
  keys(prefix: string): string[];
  /** Records below a prefix, in the order of their keys. */
  below(prefix: string): [key: string, value: unknown][];
  /** Writes a record, here at once; answers whether the storage took it. */
  write(key: string, value: object): Promise<boolean>;
  /** Removes a record, here at once; answers whether the storage did. */
  remove(key: string): Promise<boolean>;
  /** Reads these records past what is kept; answers whether the storage did. */
  read(keys: readonly string[]): Promise<boolean>;
  /** Learns of records that others added, unless that was done within `age` milliseconds; answers whether it is so now. */
  discover(age?: number): Promise<boolean>;
  /** Rises with every change of a record of a family, such as `servers`. */
  version(family: string): number;
  /** Epoch milliseconds of when all records were last read. */
  readonly readAt: number;
  /** Milliseconds since the storage went away; 0 where it has not. */
  away(): number;
}

/** Keys of ours. */
const families = /^(?:circuits|instances|servers):./;

/** Milliseconds for which records count as just read. */
export const recordsAge = 250;

/** Milliseconds until the keys are listed anew, which some storages are slow at. */
export const keysAge = 1000;

/** Milliseconds that the storage may take for one thing. */
const patience = 2000;

/** Records shared through a storage. */
export function createSharedRecords(options: SharedRecordsOptions): SharedRecords {
  const { storage, note = () => {}, now = Date.now, sleep = idleSleep } = options;
  const records = new Map<string, unknown>();
  /** The turn that a record as it is here comes from: what was asked for earlier may be older, and come later. */
  const turns = new Map<string, number>();
  const versions = new Map<string, number>();
  let keysAt = -Infinity;
  let readAt = -Infinity;
  let triedAt = -Infinity;
  let awayAt: number | undefined;
  let reading: Promise<void> | undefined;
  let turn = 0;

  function change(key: string, value: unknown, at: number): void {
    if (value === undefined) records.delete(key);
    else records.set(key, value);
    turns.set(key, at);
    const [family = ""] = key.split(":", 1);
    versions.set(family, (versions.get(family) ?? 0) + 1);
  }

  function isOlder(key: string, at: number): boolean {
    return at < (turns.get(key) ?? 0);
  }

  /** Does something with the storage; undefined where that fails or takes too long. */
  async function attempt<T>(work: () => Promise<T>): Promise<{ value: T } | undefined> {
    const over = new AbortController();
    try {
      const late = sleep(patience, over.signal).then(() => {
        throw new Error(`no answer within ${patience} ms`);
      });
      // Nobody looks at it once the work is done.
      late.catch(() => undefined);
      const value = await Promise.race([work(), late]);
      if (awayAt !== undefined) note("The registry's storage is back");
      awayAt = undefined;
      return { value };
    } catch (error) {
      if (awayAt === undefined) {
        note(
          `The registry's storage is away (${reasonOf(error)}): the last known servers are used until it is back`,
        );
      }
      awayAt ??= now();
      return undefined;
    } finally {
      over.abort("over");
    }
  }

  async function listKeys(): Promise<boolean> {
    const at = ++turn;
    const asked = now();
    const listed = await attempt(() => storage.getKeys());
    if (!listed) return false;
    // Others may keep other things there.
    const there = new Set(listed.value.filter((key) => families.test(key)));
    for (const key of records.keys()) {
      if (!there.has(key) && !isOlder(key, at)) change(key, undefined, at);
    }
    for (const key of there) {
      if (!records.has(key) && !isOlder(key, at)) records.set(key, undefined);
    }
    for (const key of turns.keys()) if (!records.has(key) && !isOlder(key, at)) turns.delete(key);
    keysAt = asked;
    return true;
  }

  async function read(keys: readonly string[]): Promise<boolean> {
    if (keys.length === 0) return true;
    const at = ++turn;
    const items = await attempt(() => storage.getItems([...keys]));
    if (!items) return false;
    for (const { key, value } of items.value) {
      if (isOlder(key, at)) continue;
      turns.set(key, at);
      const same = JSON.stringify(records.get(key)) === JSON.stringify(value ?? undefined);
      // As the same object, by which it is known to have been understood.
      if (!same || value === null || value === undefined) change(key, value ?? undefined, at);
    }
    return true;
  }

  async function discover(age = keysAge): Promise<boolean> {
    return keysAt >= now() - age || (await listKeys());
  }

  async function readAll(): Promise<void> {
    const asked = now();
    if ((await discover()) && (await read([...records.keys()]))) readAt = asked;
  }

  return {
    version: (family) => versions.get(family) ?? 0,
    get readAt() {
      return readAt;
    },
    refresh() {
      const time = now();
      // One that is away is asked again in the background, while what is known has to do.
      const inBackground = awayAt !== undefined;
      if (!reading && time - triedAt >= (inBackground ? keysAge : recordsAge)) {
        triedAt = time;
        reading = readAll().finally(() => (reading = undefined));
      }
      return inBackground ? undefined : reading;
    },
    get: (key) => records.get(key),
    keys: (prefix) => [...records.keys()].filter((key) => key.startsWith(prefix)),
    below: (prefix) =>
      [...records]
        .filter(([key, value]) => key.startsWith(prefix) && value !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    async write(key, value) {
      change(key, value, ++turn);
      return (await attempt(() => storage.setItem(key, value))) !== undefined;
    },
    async remove(key) {
      change(key, undefined, ++turn);
      return (await attempt(() => storage.removeItem(key))) !== undefined;
    },
    read,
    discover,
    away: () => (awayAt === undefined ? 0 : Math.max(1, now() - awayAt)),
  };
}

/** A text as part of a key that every storage keeps as it is, those on file systems without case too. */
export function keyOf(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const safe = Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    return /[a-z0-9-]/.test(character) ? character : `_${byte.toString(16).padStart(2, "0")}`;
  }).join("");
  return safe.slice(0, 200);
}
