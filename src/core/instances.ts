import { recordsAge, type SharedRecords } from "./shared-records.ts";
import type { Sleep } from "./sleep.ts";

/** What a process says of itself: its places by server, and on which servers its jobs wait for one. */
export interface InstanceRecord {
  held: [serverId: string, places: number][];
  wants: string[];
}

/** What other processes have on a server: how many places, how many processes, and whether a job of theirs waits. */
export interface Others {
  places: number;
  processes: number;
  waiting: boolean;
}

/** What other processes are known by. */
export interface InstancesOptions {
  records: SharedRecords;
  /** Key of this process's own record. */
  key: string;
  now: () => number;
  sleep: Sleep;
  /** Ends what is waited for. */
  signal: AbortSignal;
}

/** The other processes that share records. */
export interface Instances {
  /** What those that live have on a server, as last read. */
  others(serverId: string): Others;
  /** Reads all their records as they are now; answers whether none is missing. */
  read(): Promise<boolean>;
  /** Looks whether there are any; undefined where that cannot be found out. */
  isAlone(): Promise<boolean | undefined>;
}

/** Milliseconds without a change of its record after which a process counts as dead, and its places as free. */
export const instanceTtl = 15_000;

/** Times that a record is read again that somebody is writing just now. */
const rereads = 5;

const nobody: Others = { places: 0, processes: 0, waiting: false };

/** The other processes, by their records. */
export function createInstances({ records, key, now, sleep, signal }: InstancesOptions): Instances {
  /** Their records as they last changed, by this process's clock: theirs may go otherwise. */
  const beats = new Map<string, { value: unknown; since: number }>();
  let counted = new Map<string, Others>();
  let countedAt = -Infinity;
  let countedVersion = -1;

  /** Records of those that have not been silent for so long that they must have died. */
  function living(): unknown[] {
    const time = now();
    const found = records.below("instances:").filter(([other]) => other !== key);
    const keys = new Set(found.map(([other]) => other));
    for (const other of beats.keys()) if (!keys.has(other)) beats.delete(other);
    return found.flatMap(([other, value]) => {
      const seen = beats.get(other);
      if (seen === undefined || JSON.stringify(seen.value) !== JSON.stringify(value)) {
        beats.set(other, { value, since: time });
        return [value];
      }
      // While nothing can be read, silence says nothing.
      const asOf = records.away() > 0 ? Math.min(time, records.readAt) : time;
      const silent = asOf - seen.since;
      if (silent >= 2 * instanceTtl) void records.remove(other);
      return silent < instanceTtl ? [value] : [];
    });
  }

  function count(): void {
    countedAt = now();
    countedVersion = records.version("instances");
    counted = new Map();
    for (const value of living()) {
      const { held, wants } = readRecord(value) ?? { held: [], wants: [] };
      const places = new Map(held);
      for (const id of new Set([...places.keys(), ...wants])) {
        const known = counted.get(id) ?? nobody;
        counted.set(id, {
          places: known.places + (places.get(id) ?? 0),
          processes: known.processes + 1,
          waiting: known.waiting || wants.includes(id),
        });
      }
    }
  }

  function readThem(): Promise<boolean> {
    return records.read(records.keys("instances:").filter((other) => other !== key));
  }

  return {
    others(serverId) {
      if (records.version("instances") !== countedVersion || now() - countedAt >= recordsAge)
        count();
      return counted.get(serverId) ?? nobody;
    },
    async read() {
      if (!(await records.discover())) return false;
      for (let time = 0; time < rereads; time++) {
        if (!(await readThem())) return false;
        if (living().every((value) => readRecord(value) !== undefined)) return true;
        // On a file system a record that is being written is empty for a moment.
        await sleep(2 + 3 * time, signal);
      }
      return false;
    },
    async isAlone() {
      const known = (await records.discover(-1)) && (await readThem());
      return known ? living().length === 0 : undefined;
    },
  };
}

/** A record of another process, as far as it makes sense; undefined for one that cannot be read. */
function readRecord(value: unknown): InstanceRecord | undefined {
  const { held, wants } = (value ?? {}) as { held?: unknown; wants?: unknown };
  if (!Array.isArray(held)) return undefined;
  return {
    held: held.filter(isHolding),
    wants: Array.isArray(wants) ? wants.filter((id) => typeof id === "string") : [],
  };
}

function isHolding(value: unknown): value is InstanceRecord["held"][number] {
  if (!Array.isArray(value)) return false;
  const [id, places] = value as unknown[];
  return typeof id === "string" && Number.isSafeInteger(places) && (places as number) > 0;
}
