import { reasonOf } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import type { ConductorLogger } from "../types/conductor.ts";
import type { ConductorDatabase } from "../conductor/database.ts";
import {
  beat,
  giveBack,
  type Registration,
  redeliver,
  removeOld,
  runningOf,
  SILENT_MS,
  takeOver,
  unparkAll,
} from "../conductor/registration.ts";
import type { ActiveTurns } from "./active-turns.ts";

/** A process that lives, and looks after those that do not. */
export interface Heartbeat {
  /** Says at once what is new of the process. */
  beat(): Promise<void>;
  stop(): Promise<void>;
}

export interface HeartbeatOptions {
  database: ConductorDatabase;
  registration: Registration;
  /** Ids under which graphile-worker locks what this process fetches. */
  pools: readonly string[];
  active: ActiveTurns;
  /** How long graphile-worker may keep what it has fetched. */
  keptMs: number;
  tasks: readonly { queue: string; name: string; concurrency?: number }[];
  logger: ConductorLogger;
}

/** How often a process says that it lives. */
const BEAT_MS = 2500;

/** What was fetched so long ago is looked for in every so many rounds. */
const FETCHED_MS = 30_000;
const FETCHED_EVERY = 10;

/** Old executions are removed in every so many rounds. */
const REMOVE_EVERY = 240;

/** Registers a process, and says that it lives until it is stopped. */
export async function startHeartbeat(options: HeartbeatOptions): Promise<Heartbeat> {
  const { database, registration, pools, active, logger } = options;
  const fetchedMs = FETCHED_MS + options.keptMs;
  const stopping = new AbortController();
  await beat(database, registration, pools);
  await unparkAll(database, options.tasks);
  // After an outage of Postgres nobody has said a thing, and everybody gets the time to do so.
  let steadySince = performance.now();
  let last = steadySince;
  let strange: ReadonlySet<string> = new Set();
  const round = async (count: number): Promise<void> => {
    await beat(database, registration, pools);
    const now = performance.now();
    if (now - last > SILENT_MS / 2) steadySince = now;
    last = now;
    strange = await reconcile({ database, worker: registration.id, active }, strange);
    await unparkAll(database, options.tasks);
    if (now - steadySince >= SILENT_MS) {
      const dead = await takeOver(database, registration.id, SILENT_MS);
      for (const id of dead) logger.warn("A process is silent; its work is queued again", { id });
    }
    if (count % FETCHED_EVERY === 0) await redeliver(database, pools, fetchedMs);
    if (count % REMOVE_EVERY === 0) await removeOld(database);
  };
  const loop = (async () => {
    for (let count = 0; ; count += 1) {
      await idleSleep(BEAT_MS, stopping.signal);
      if (stopping.signal.aborted) return;
      await round(count).catch((error: unknown) =>
        logger.warn("Postgres does not answer", { reason: reasonOf(error) }),
      );
    }
  })();
  return {
    async beat() {
      await beat(database, registration, pools);
    },
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}

/**
 * Compares what runs here with what the others see run here, and answers with what is not known here. It goes back
 * the second time: the answer to a claim may be on its way.
 */
export async function reconcile(
  { database, worker, active }: Pick<HeartbeatOptions, "active" | "database"> & { worker: string },
  strange: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const before = active.keys();
  const seen = await runningOf(database, worker);
  const keys = new Set(seen.map(keyOf));
  for (const key of before) if (!keys.has(key)) active.lose(key);
  for (const { id, canceling } of seen) if (canceling) active.cancel(id);
  const unknown = seen.filter((turn) => !active.has(keyOf(turn)));
  const lost = unknown.filter((turn) => strange.has(keyOf(turn)));
  if (lost.length > 0) await giveBack(database, worker, lost);
  return new Set(unknown.map(keyOf));
}

function keyOf({ id, turn }: { id: string; turn: number }): string {
  return `${id}/${turn}`;
}
