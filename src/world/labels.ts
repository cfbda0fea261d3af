import { keys, lastPart, number, place } from "./keys.ts";
import { hasEnded, type Records } from "./records.ts";
import type { Store, Write } from "./store.ts";
import type { Run, RunLabels } from "./types.ts";

/** The lists of runs by label, beside those by workflow and status. */
export interface Labels {
  /** A run's labels. */
  of(run: Run): readonly string[];
  /** The changes of the store that follow a run's change, for the same transaction. */
  writes(previous: Run | undefined, next: Run): Write[];
  /** The changes that take a run out of the lists. */
  removals(run: Run): Write[];
  /** Resolves when every run is in the lists of its labels; where a World without labels has written, they are made anew. */
  ready(): Promise<void>;
}

/** What says that the lists are complete. */
interface Stamp {
  version: number;
  /** When the last run was created, or ended, by a World that kept these lists. */
  time: number;
}

/** Keys looked at in one turn while the lists are made. */
const BATCH = 100;
const none: readonly string[] = [];
const done = Promise.resolve();

/** Makes the lists by what says a run's labels; without that no run has any. */
export function createLabels(
  store: Store,
  records: Records,
  options: RunLabels | undefined,
): Labels {
  /** A record is not changed but replaced, so its labels hold as long as it does. */
  const known = new WeakMap<Run, readonly string[]>();
  let complete: boolean | undefined;
  let building: Promise<void> | undefined;
  let time = 0;

  function of(run: Run): readonly string[] {
    if (!options) return none;
    let labels = known.get(run);
    if (!labels) known.set(run, (labels = [...new Set(options.of(run))]));
    return labels;
  }

  function keysOf(run: Run): string[] {
    const at = place(run.createdAt, run.runId);
    return of(run).map((label) => keys.labelList(label) + at);
  }

  /** Whether the lists have every run: asked before this process writes any. */
  function isComplete(): boolean {
    if (complete !== undefined) return complete;
    const stamp = store.get<Stamp>(keys.labels);
    const last = lastChange(store);
    time = Math.max(stamp?.time ?? 0, last);
    complete = last === 0 || (stamp?.version === options?.version && last <= stamp!.time);
    return complete;
  }

  function stamp(): Write {
    return { key: keys.labels, value: { version: options!.version, time } satisfies Stamp };
  }

  /** Does something with each key of a range, a few in a turn, and what follows from it in the same turn. */
  async function each(prefix: string, writesOf: (key: string) => Write[]): Promise<void> {
    let after: string | undefined;
    do {
      const writes: Write[] = [];
      const range = { prefix, ...(after !== undefined && { after }) };
      let count = 0;
      after = undefined;
      for (const { key } of store.range(range)) {
        writes.push(...writesOf(key));
        if (++count < BATCH) continue;
        after = key;
        break;
      }
      if (writes.length > 0) await store.write(writes);
      else await new Promise(setImmediate);
    } while (after !== undefined);
  }

  async function build(): Promise<void> {
    if (isComplete()) return;
    await each(keys.labelLists, (key) => {
      const run = records.run(lastPart(key));
      return run && keysOf(run).includes(key) ? [] : [{ key, value: undefined }];
    });
    await each(keys.runList({}), (key) => {
      const run = records.run(lastPart(key));
      const missing = run ? keysOf(run).filter((key) => !store.has(key)) : [];
      return missing.map((key) => ({ key, value: true }));
    });
    complete = true;
    time = Math.max(time, lastChange(store));
    await store.write([stamp()]);
  }

  return {
    of,
    writes(previous, next) {
      if (!options) return [];
      const [before, after] = [previous ? keysOf(previous) : [], keysOf(next)];
      const writes: Write[] = [
        ...before.filter((key) => !after.includes(key)).map((key) => ({ key, value: undefined })),
        ...after.filter((key) => !before.includes(key)).map((key) => ({ key, value: true })),
      ];
      if (isComplete() && (!previous || hasEnded(next))) {
        time = Math.max(time, next.updatedAt.getTime());
        writes.push(stamp());
      }
      return writes;
    },
    removals: (run) => keysOf(run).map((key) => ({ key, value: undefined })),
    ready() {
      if (!options) return done;
      building ??= build().catch((error: unknown) => {
        complete = undefined;
        building = undefined;
        throw error;
      });
      return building;
    },
  };
}

/** When a run was last created or ended, whoever wrote it; 0 where there is none. */
function lastChange(store: Store): number {
  let last = 0;
  for (const prefix of [keys.runList({}), keys.ended]) {
    for (const { key } of store.range({ prefix, reverse: true })) {
      last = Math.max(last, Number(key.slice(prefix.length, prefix.length + number(0).length)));
      break;
    }
  }
  return last;
}
