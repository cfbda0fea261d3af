import { keys, lastPart, number } from "./keys.ts";
import type { Labels } from "./labels.ts";
import { type Message, messageWrites } from "./messages.ts";
import type { Fact, Records } from "./records.ts";
import { runRemovals } from "./runs.ts";
import type { Store, Write } from "./store.ts";
import { streamKeys } from "./streams.ts";

/** What is kept of ended runs. */
export interface Retention {
  /** Removes what is beyond it; answers how many runs went. */
  prune(): Promise<number>;
  /** Notes that a run has ended, and prunes when there are too many. */
  ended(): void;
  /** Counts, prunes, and does so again every hour. */
  start(): void;
  stop(): void;
  count(): number;
}

/** What a retention needs. */
export interface RetentionOptions {
  store: Store;
  records: Records;
  labels: Labels;
  now: () => number;
  /** Milliseconds after a run's end. */
  maxAge: number;
  maxCount: number;
}

/** Changes in one transaction; others wait while it is on its way to the disk. */
const MAX_WRITES = 500;
const HOUR_MS = 60 * 60 * 1000;

/** Makes the retention over a store. */
export function createRetention(options: RetentionOptions): Retention {
  const { store, records, labels, now, maxAge, maxCount } = options;
  let endedRuns = 0;
  let pruning: Promise<number> | undefined;
  let stopped = false;
  let timer: ReturnType<typeof setInterval> | undefined;

  /** Removes a run: first what makes it visible, last its place among the ended, which a restart finds it by. */
  async function remove(runId: string, endedKey: string): Promise<void> {
    const run = records.run(runId);
    const claims = store.get<string[]>(keys.claimed(runId)) ?? [];
    const visible: Write[] = [
      ...(run ? [...runRemovals(run), ...labels.removals(run)] : []),
      ...claims.map((key) => ({ key: keys.claim(key), value: undefined })),
      { key: keys.claimed(runId), value: undefined },
    ];
    const rest = [...leaves(store, runId)];
    let writes = visible;
    for (let index = 0; index < rest.length; index += MAX_WRITES) {
      await store.write([...writes, ...rest.slice(index, index + MAX_WRITES)]);
      writes = [];
    }
    await store.write([...writes, { key: endedKey, value: undefined }]);
    endedRuns--;
  }

  /** The oldest of the ended runs, if it is beyond what is kept. */
  function surplus(): string | undefined {
    for (const { key } of store.range({ prefix: keys.ended })) {
      const oldest = now() - maxAge;
      const tooOld = oldest > 0 && key.slice(keys.ended.length) < number(oldest);
      return tooOld || endedRuns > maxCount ? key : undefined;
    }
    return undefined;
  }

  async function prune(): Promise<number> {
    let removed = 0;
    for (;;) {
      const key = stopped ? undefined : surplus();
      if (key === undefined) return removed;
      await remove(lastPart(key), key);
      removed++;
    }
  }

  function pruneOnce(): Promise<number> {
    pruning ??= prune().finally(() => {
      pruning = undefined;
    });
    return pruning;
  }

  function inBackground(): void {
    // A failure to write is told to those who write; pruning is tried again.
    pruneOnce().catch(() => undefined);
  }

  return {
    prune: pruneOnce,
    ended() {
      endedRuns++;
      if (endedRuns > maxCount) inBackground();
    },
    start() {
      endedRuns = 0;
      for (const _ of store.range({ prefix: keys.ended })) endedRuns++;
      inBackground();
      timer = setInterval(inBackground, HOUR_MS);
      timer.unref();
    },
    stop() {
      stopped = true;
      clearInterval(timer);
    },
    count: () => endedRuns,
  };
}

/** The removal of everything that a run has besides its record. */
function* leaves(store: Store, runId: string): Iterable<Write> {
  const correlations = new Set<string>();
  for (const { key, value } of store.range<Fact>({ prefix: keys.events(runId) })) {
    yield { key, value: undefined };
    if (value.correlationId !== undefined) correlations.add(value.correlationId);
  }
  for (const correlationId of correlations) {
    yield { key: keys.correlation(correlationId, runId), value: undefined };
  }
  for (const { key, value } of store.range<string>({ prefix: keys.stepList(runId) })) {
    yield { key, value: undefined };
    yield { key: keys.step(runId, value), value: undefined };
  }
  for (const { value } of store.range<string>({ prefix: keys.streamList(runId) })) {
    for (const key of streamKeys(value, store)) yield { key, value: undefined };
  }
  for (const { key, value } of store.range<Message>({ prefix: keys.messages(runId) })) {
    yield* messageWrites(key, value, undefined);
  }
  yield { key: keys.closing(runId), value: undefined };
}
