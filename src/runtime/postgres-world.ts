import { parseDuration } from "../core/duration.ts";
import { OrchestratorError } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import { type Claims, createClaims } from "../postgres/claims.ts";
import { type Database, openDatabase } from "../postgres/database.ts";
import { currentDelivery } from "../postgres/deliveries.ts";
import { createEvents } from "../postgres/events.ts";
import { createLabels, type Labels } from "../postgres/labels.ts";
import { createMessages } from "../postgres/messages.ts";
import { migrate } from "../postgres/migrations.ts";
import { createPresence } from "../postgres/presence.ts";
import { createProcesses } from "../postgres/processes.ts";
import { createQueue } from "../postgres/queue.ts";
import { recover } from "../postgres/recovery.ts";
import { createRunNews } from "../postgres/run-news.ts";
import { createRetention } from "../postgres/retention.ts";
import { report } from "../postgres/settlements.ts";
import { createStreams } from "../postgres/streams.ts";
import { createStorage, patientReads } from "../postgres/storage.ts";
import { createStoragePool } from "../postgres/transactions.ts";
import type { RetentionConfig } from "../types/config.ts";
import { bindEngine } from "./engine-handlers.ts";
import type { EngineHandlers, World } from "./engine-world.ts";
import { journalStream } from "./journal.ts";
import { labelledRuns, runLabels } from "./run-labels.ts";
import type { FindRuns } from "./run-lists.ts";
import { scannedRuns } from "./run-scan.ts";
import type { RunWatchers } from "./run-watchers.ts";
import { observed, type Watchers } from "./target-world.ts";

/** A World on Postgres: the engine's storage, with a queue and streams of ours. */
export interface PostgresWorld {
  world: World;
  claims: Claims;
  findRuns: FindRuns;
  /** Makes the tables, takes up what nobody works on, and begins to deliver. */
  start(): Promise<void>;
  /** Takes no messages any more; what is under way goes on. */
  drain(): void;
  /** Aborts when what the caller was delivered is another process's now. */
  lost(): AbortSignal | undefined;
  /** Why it can be asked for nothing now. */
  problem(): string | undefined;
  /** Hands back what is still under way, to whichever process. */
  close(): Promise<void>;
}

/** What it is made of. */
export interface PostgresWorldOptions {
  engine: EngineHandlers;
  watchers: Watchers;
  /** What is kept of runs that have ended; without it `ORCHESTRATOR_RETENTION` says. */
  retention?: RetentionConfig;
  /** Told when another process has died, or Postgres was away: what was begun may be undone. */
  onLoss?: () => void;
}

/** For how long a statement is tried while Postgres is away. */
const PATIENCE_MS = 30_000;

/** Replays at once, which take the processor in turn, and steps, which mostly wait. */
const FLOWS = 16;
const STEPS = 100;

/** How long the end waits for connections that Postgres does not answer on. */
const CLOSE_MS = 1500;

/** The World on the Postgres of `WORKFLOW_POSTGRES_URL`. */
export function createPostgresWorld(options: PostgresWorldOptions): PostgresWorld {
  const { engine, watchers, onLoss = () => undefined } = options;
  const kept = options.retention ?? retentionOf(process.env.ORCHESTRATOR_RETENTION);
  const { database, labels, ...parts } = assemblePostgresWorld(process.env, (name, runId) => {
    if (name === journalStream(runId)) watchers.news.notify(runId);
  });
  bindEngine(parts.world, engine);
  const { ends, news } = watchers;
  const others = createRunNews({
    database,
    onNews(runId, ended) {
      if (ended) ends.notify(runId);
      news.notify(runId);
    },
    watched: () => [...new Set([...ends.watched(), ...news.watched()])],
  });
  const world = observed(parts.world, {
    ...watchers,
    ends: tellingOthers(ends, (runId) => others.tell(runId, true)),
    news: tellingOthers(news, (runId) => others.tell(runId, false)),
  });
  const claims = createClaims(database, () => world);
  const [labelled, scanned] = [labelledRuns(labels), scannedRuns(() => world)];
  const processes = createProcesses(database, { onLoss });
  const retention =
    kept &&
    createRetention(database, kept, (message) => console.error(`[orchestrator] ${message}`));
  return {
    ...parts,
    world,
    claims,
    findRuns: async (request) => ((await labels.filled()) ? labelled(request) : scanned(request)),
    problem: () => (database.reachable() ? undefined : "Postgres is away"),
    async start() {
      await parts.start();
      await processes.start();
      // What fails of these is left to the next start.
      for (const tidying of [claims.prune(), labels.fill()]) tidying.catch(() => undefined);
      retention?.start();
    },
    async close() {
      others.close();
      retention?.stop();
      await processes.stop();
      await parts.close();
    },
  };
}

function tellingOthers(watchers: RunWatchers, tell: (runId: string) => void): RunWatchers {
  return {
    ...watchers,
    notify(runId) {
      watchers.notify(runId);
      tell(runId);
    },
  };
}

/** The same without an engine, and without anybody who is told but of streams that others have added to. */
export function assemblePostgresWorld(
  env: Record<string, string | undefined>,
  onGrowth?: (name: string, runId: string) => void,
): Omit<PostgresWorld, "claims" | "findRuns" | "problem" | "world"> & {
  world: World & Parameters<typeof bindEngine>[0];
  database: Database;
  labels: Labels;
} {
  const database = openDatabase({
    url: env.WORKFLOW_POSTGRES_URL || "postgres://world:world@localhost:5432/world",
    name: "WORKFLOW_POSTGRES_URL",
    // One is for its presence, and one for the lock of recovery.
    max: positive("WORKFLOW_POSTGRES_MAX_POOL_SIZE", env.WORKFLOW_POSTGRES_MAX_POOL_SIZE, 10) + 2,
    patience: PATIENCE_MS,
  });
  const concurrency = positive(
    "WORKFLOW_POSTGRES_WORKER_CONCURRENCY",
    env.WORKFLOW_POSTGRES_WORKER_CONCURRENCY,
    0,
  );
  const closing = new AbortController();
  const patience = { limit: PATIENCE_MS, signal: closing.signal };
  const pool = createStoragePool(database.pool);
  const { specVersion, ...engineStorage } = createStorage(pool.pool);
  const storage = patientReads(engineStorage, patience);
  const presence = createPresence(database);
  const messages = createMessages(database, presence.id);
  const queue = createQueue({
    database,
    messages,
    limits: { flows: concurrency || FLOWS, steps: concurrency || STEPS },
  });
  const streams = createStreams({ database, ...(onGrowth && { onGrowth }) });
  const labels = createLabels({ database, storage, of: runLabels.of });
  const create = createEvents({
    label: labels.store,
    storage,
    pool,
    messages,
    queue,
    patience,
    ended: streams.closeAfterEnd,
  });
  const world = {
    specVersion,
    ...streams.streamer,
    ...storage,
    events: { ...storage.events, create },
    queue: queue.queue,
    createQueueHandler: queue.createQueueHandler,
    registerHandler: queue.registerHandler,
    getDeploymentId: async () => "postgres",
  } as unknown as World & Parameters<typeof bindEngine>[0];

  async function start(): Promise<void> {
    await migrate(database, { engine: true });
    presence.start();
    streams.start();
    queue.start();
    // Beside the work that there is; who fails at it leaves it to the next start.
    recover(database, storage, messages).then(queue.look, report);
  }

  async function close(): Promise<void> {
    await queue.stop();
    streams.close();
    closing.abort();
    presence.stop();
    await Promise.race([database.close(), idleSleep(CLOSE_MS)]);
  }

  const lost = (): AbortSignal | undefined => currentDelivery()?.lost.signal;
  return { world, database, labels, start, drain: queue.drain, lost, close };
}

/** For how long ended runs are kept, as the environment has it. */
function retentionOf(text: string | undefined): RetentionConfig | undefined {
  if (!text) return undefined;
  const age = parseDuration(text);
  if (age) return { age };
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `ORCHESTRATOR_RETENTION must be a duration such as 30d (got ${JSON.stringify(text)})`,
  );
}

/** A number of the environment. */
function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined || text === "") return otherwise;
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `${name} must be a whole number above 0 (got ${JSON.stringify(text)})`,
  );
}
