import { EventEmitter } from "node:events";
import type { JobHelpers, WorkerEvents } from "graphile-worker";
import { importGraphile } from "../conductor/packages.ts";
import { OrchestratorError } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import type { Delivery } from "../conductor/turns.ts";
import type { ConductorLogger, PostgresPool, WorkerConfig } from "../types/conductor.ts";

/** One queue's worker while it looks for work. */
export interface QueueRunner {
  /** Takes nothing any more, also not what is fetched already. */
  stop(): void;
}

export interface QueueRunnerOptions {
  pool: PostgresPool;
  schema: string;
  config: Required<WorkerConfig>;
  /** What is called for each identifier of a task. */
  tasks: Readonly<Record<string, (delivery: Delivery, job: JobHelpers) => Promise<void>>>;
  logger: ConductorLogger;
  /** Told of each id under which it locks what it fetches, before it does. */
  onPool: (pool: string) => void;
}

/** Until a worker that has ended by itself is started again. */
const RESTART_MS = 1000;

/** How long a worker may take until it has looked for work once. */
const LOOK_MS = 5000;

/** Lets graphile-worker look for a queue's work; started again where it gives up. Resolves when it looks. */
export async function runQueue(options: QueueRunnerOptions): Promise<QueueRunner> {
  const stopping = new AbortController();
  let looking = await begin(options);
  void (async () => {
    for (;;) {
      const before = process.exitCode;
      await looking.gone;
      if (stopping.signal.aborted) return;
      // Told that another schema of graphile-worker's was migrated, it gives up and has the process fail in the end.
      if (process.exitCode === 57) process.exitCode = before;
      options.logger.warn("A queue is looked at by a new worker: the one before has given up");
      let again: Looking | undefined;
      while (!again) {
        await idleSleep(RESTART_MS, stopping.signal);
        if (stopping.signal.aborted) return;
        again = await begin(options).catch(() => undefined);
      }
      looking = again;
      if (stopping.signal.aborted) looking.end();
    }
  })();
  return {
    stop() {
      stopping.abort();
      looking.end();
    },
  };
}

interface Looking {
  /** Resolves when it takes nothing any more, though what it has may go on for long. */
  gone: Promise<void>;
  end(): void;
}

async function begin(options: QueueRunnerOptions): Promise<Looking> {
  const { Logger, runTaskList } = await importGraphile();
  const { concurrency, pollIntervalMs, flushIntervalMs, fetchBatchSize } = options.config;
  const events: WorkerEvents = new EventEmitter();
  events.on("pool:create", ({ workerPool }) => options.onPool(workerPool.id));
  const looked = new Promise<void>((resolve) => {
    events.once("localQueue:getJobs:complete", () => resolve());
    events.once("worker:getJob:empty", () => resolve());
    events.once("job:start", () => resolve());
  });
  let isGone = false;
  const gone = new Promise<void>((resolve) =>
    events.once("pool:gracefulShutdown", () => {
      isGone = true;
      resolve();
    }),
  );
  const failed = new Promise<void>((resolve) =>
    events.once("worker:getJob:error", () => resolve()),
  );
  const worker = runTaskList(
    {
      schema: options.schema,
      noHandleSignals: true,
      events,
      logger: new Logger(() => (level, message) => {
        if (level === "error") options.logger.warn(`graphile-worker: ${message}`);
      }),
      preset: {
        worker: {
          concurrentJobs: concurrency,
          pollInterval: pollIntervalMs,
          completeJobBatchDelay: flushIntervalMs,
          failJobBatchDelay: flushIntervalMs,
          // With batches of one, each slot fetches for itself. What is fetched and finds no slot goes back soon, for
          // other processes.
          ...(fetchBatchSize > 1 && {
            localQueue: { size: fetchBatchSize, ttl: Math.max(pollIntervalMs, 100) },
          }),
        },
      },
    },
    options.tasks as never,
    options.pool as never,
  );
  worker.promise.catch(() => undefined);
  const end = (): void => {
    if (!isGone) Promise.resolve(worker.gracefulShutdown()).catch(() => undefined);
  };
  const over = new AbortController();
  const looks = await Promise.race([
    looked.then(() => true),
    ...[failed, gone, idleSleep(LOOK_MS, over.signal)].map((one) => one.then(() => false)),
  ]);
  over.abort();
  if (looks) return { gone, end };
  // One that cannot at first never can: graphile-worker keeps the failure.
  end();
  throw new OrchestratorError("SERVER_UNREACHABLE", "Postgres went away while a worker started", {
    retryable: true,
  });
}
