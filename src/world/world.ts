import { randomUUID } from "node:crypto";
import { resolve } from "pathe";
import { getStepFunction } from "workflow/internal/private";
import { createClaims } from "./claims.ts";
import { type CreateEvent, createEvents, SPEC_VERSION } from "./events.ts";
import { keys } from "./keys.ts";
import { createLabels } from "./labels.ts";
import { createLists } from "./lists.ts";
import { openLmdbStore } from "./lmdb-store.ts";
import { createLog } from "./log.ts";
import { type Ownership, takeOwnership } from "./owner.ts";
import { createQueue } from "./queue.ts";
import { hasEnded, readRecords } from "./records.ts";
import { recover } from "./recovery.ts";
import { createRetention } from "./retention.ts";
import { createRunQuery } from "./run-query.ts";
import type { Store } from "./store.ts";
import { createStreams } from "./streams.ts";
import type { EmbeddedWorld, EmbeddedWorldOptions, RunChange, RunEnd, World } from "./types.ts";
import { createUlids } from "./ulid.ts";

const day = 24 * 60 * 60 * 1000;
/** The layout of the store; a World refuses one that it does not know. */
const FORMAT = 1;

/**
 * The engine's World in one folder, on LMDB.
 *
 * Nothing touches the folder before the first use, so a World can be made wherever its handlers are needed. It is
 * taken for this process by `start()` or by the first write, whichever comes first.
 *
 * @throws at its first use, when another living process has the folder, or its layout is unknown
 */
export function createEmbeddedWorld(options: EmbeddedWorldOptions): EmbeddedWorld {
  const dataDir = resolve(options.dataDir);
  const readOnly = options.readOnly ?? false;
  const now = options.now ?? Date.now;
  const listeners = new Set<(change: RunChange) => void>();
  let starting: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  const opened = openLazily(dataDir, readOnly, () => closing !== undefined);
  const store: Store = opened.store;
  let next: (() => string) | undefined;
  // No id may fall below one that was given before, whatever the clock does.
  const ulid = (): string => (next ??= createUlids(now, store.get<number>(keys.clock) ?? 0))();
  const records = readRecords(store);
  const labels = createLabels(store, records, options.labels);
  const log = createLog(store);
  const streams = createStreams(store);
  const queue = createQueue({
    store,
    records,
    now,
    ulid,
    stepsPerRun: options.stepsPerRun ?? 100,
    retryDelay: options.retryDelay ?? ((attempt) => Math.min(60_000, 250 * 2 ** (attempt - 1))),
  });
  const retention = createRetention({
    store,
    records,
    labels,
    now,
    maxAge: options.retention?.age ?? 30 * day,
    maxCount: options.retention?.count ?? 10_000,
  });
  const create: CreateEvent = createEvents({
    store,
    records,
    labels,
    log,
    queue,
    now,
    ulid,
    maxRetries: options.maxRetries ?? registeredMaxRetries,
    endWrites: streams.endWrites,
    changed({ runId, status, workflowName }) {
      const change = { runId, status, workflowName };
      if (hasEnded(change)) {
        streams.closeAfterEnd(runId);
        retention.ended();
      }
      for (const listener of listeners) listener(change);
    },
  });
  const { events, ...lists } = createLists(store, records);

  function onRunChange(callback: (change: RunChange) => void): () => void {
    listeners.add(callback);
    return () => listeners.delete(callback);
  }

  async function startOnce(): Promise<void> {
    if (readOnly) return;
    opened.take();
    await recover(store, records, now, ulid);
    streams.recover();
    retention.start();
    queue.start();
    // In the background: whoever lists by labels waits for it, and is told when it fails.
    labels.ready().catch(() => undefined);
  }

  const world: EmbeddedWorld = {
    specVersion: SPEC_VERSION,
    // A chunk costs no round trip here, so the engine need not gather any.
    streamFlushIntervalMs: 0,
    ...lists,
    events: { ...events, create: create as unknown as World["events"]["create"] },
    ...streams,
    queue: queue.queue,
    createQueueHandler: queue.createQueueHandler,
    registerHandler: queue.registerHandler,
    getDeploymentId: async () => "dpl_embedded",
    ...createClaims({ store, records, world: () => world }),
    ...createRunQuery(store, records, labels),
    start: () => (starting ??= startOnce()),
    close: () =>
      (closing ??= (async () => {
        await starting?.catch(() => undefined);
        queue.stop();
        streams.stop();
        retention.stop();
        await opened.close();
      })()),
    onRunChange,
    onRunEnd: (callback) => onRunChange((change) => hasEnded(change) && callback(change as RunEnd)),
    prune: retention.prune,
    countOpenRuns: (workflowName) => ({
      pending: countRuns(store, "pending", workflowName),
      running: countRuns(store, "running", workflowName),
    }),
    stats: () => ({ endedRuns: retention.count(), ...queue.counts() }),
  };
  return world;
}

/** Runs of a status, by the store's own count: each look at the metrics asks, and anybody may look. */
function countRuns(store: Store, status: string, workflowName: string | undefined): number {
  return store.count({
    prefix: keys.runList({ status, ...(workflowName !== undefined && { workflowName }) }),
  });
}

/** How often the engine retries a step that is registered in this process. */
function registeredMaxRetries(stepName: string): number | undefined {
  return (getStepFunction(stepName) as { maxRetries?: number } | undefined)?.maxRetries;
}

/** A store that is opened when it is first read, and taken for this process when it is first written. */
function openLazily(
  dataDir: string,
  readOnly: boolean,
  isClosed: () => boolean,
): { store: Store; take(): void; close(): Promise<void> } {
  let lmdb: ReturnType<typeof openLmdbStore> | undefined;
  let ownership: Ownership | undefined;
  let closed = false;

  function open(): ReturnType<typeof openLmdbStore> {
    if (closed) throw new Error(`[orchestrator] the World in ${dataDir} has been closed`);
    if (lmdb) return lmdb;
    lmdb = openLmdbStore({ dataDir, readOnly });
    const format = lmdb.get<number>(keys.format);
    if (format !== undefined && format !== FORMAT) {
      throw new Error(
        `[orchestrator] the World in ${dataDir} has layout ${format}, and this version reads ${FORMAT}: use the version that wrote it`,
      );
    }
    return lmdb;
  }

  function take(): void {
    const store = open();
    if (readOnly || ownership) return;
    ownership = takeOwnership(store, dataDir, randomUUID());
    if (store.get(keys.format) === undefined) {
      store.write([{ key: keys.format, value: FORMAT }]).catch(() => undefined);
    }
  }

  return {
    store: {
      get: (key) => open().get(key),
      has: (key) => open().has(key),
      range: (range) => open().range(range),
      count: (range) => open().count(range),
      async write(writes, wait) {
        if (isClosed()) throw new Error(`[orchestrator] the World in ${dataDir} has been closed`);
        take();
        if (ownership && !ownership.holds()) {
          throw new Error(`[orchestrator] a newer World of this process has taken ${dataDir}`);
        }
        return open().write(writes, wait);
      },
      durable: (key) => lmdb?.durable(key) ?? Promise.resolve(),
      close: async () => lmdb?.close(),
    },
    take,
    async close() {
      await lmdb?.settled();
      // Not before the last write, or another process could come between.
      ownership?.release();
      // A handler that is still at work must not read a database that is being closed.
      closed = true;
      await lmdb?.close();
    },
  };
}
