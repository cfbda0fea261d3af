import { hostname } from "node:os";
import type { JobHelpers } from "graphile-worker";
import { parseCron } from "../core/cron.ts";
import { reasonOf } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import type { ConductorLogger, QueueWorker, Task } from "../types/conductor.ts";
import { type ActiveTurns, createActiveTurns } from "./active-turns.ts";
import { invalid } from "./checks.ts";
import type { ConductorParts } from "../conductor/parts.ts";
import { isAnythingDue } from "../conductor/executions.ts";
import { type QueueRunner, runQueue } from "./graphile.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeat.ts";
import { withFields } from "./conductor-log.ts";
import { lendPool, type PoolLease } from "./pool-lease.ts";
import { deregister } from "../conductor/registration.ts";
import { JOBS } from "../conductor/schema.ts";
import { type Schedule, startTicks } from "./ticks.ts";
import { runTurn } from "./turn.ts";
import { createTurns, type Delivery, type Turns, Unregistered } from "../conductor/turns.ts";

/** A process's workers while they work. */
export interface Work {
  /** Resolves when nothing runs or is due any more, or when it was paused. */
  idle(): Promise<void>;
  /** Takes nothing any more; what runs is let go of at its next checkpoint. */
  pause(): void;
  /** The same, and lets go of everything once nothing runs. */
  stop(): Promise<void>;
}

export interface WorkOptions {
  /** Id of the orchestrator. */
  id: string;
  workers: readonly QueueWorker[];
  parts: ConductorParts;
  /** Whether tasks are started by the clock. */
  clock: boolean;
}

/** What one delivery is executed with. */
interface Executing {
  turns: Turns;
  active: ActiveTurns;
  context: unknown;
  logger: ConductorLogger;
  /** Resolves when nothing is executed any more. */
  over: Promise<void>;
  isOver: () => boolean;
  onDone: (job: string) => void;
}

/** Besides one connection a queue: one that listens, and one for all else. */
const MORE_CONNECTIONS = 2;

/** How often what is due is looked for while nothing else says that it may have changed. */
const LOOK_MS = 250;

/** Starts a process's workers; resolves when they look for work. */
export async function startWork({ id, workers, parts, clock }: WorkOptions): Promise<Work> {
  const { database, listener, logger, context } = parts;
  const pool = await database.pool();
  const max = pool.options?.max ?? Number.POSITIVE_INFINITY;
  if (max < workers.length + MORE_CONNECTIONS) {
    throw invalid(
      `The pool must have room for ${workers.length + MORE_CONNECTIONS} connections or more: one for each queue, one to listen and one to work (its max is ${max})`,
    );
  }
  await parts.ready();
  const tasks = workers.flatMap((worker) => worker.tasks);
  const pools: string[] = [];
  const done = recentOf(Math.max(...workers.map(({ config }) => config.flushIntervalMs)));
  let changed = (): void => undefined;
  const active = createActiveTurns(() => changed());
  let letGo = (): void => undefined;
  const over = new Promise<void>((resolve) => (letGo = resolve));
  let stopped = false;
  const executing: Executing = {
    turns: createTurns(database, id),
    active,
    context,
    logger,
    over,
    isOver: () => stopped,
    onDone: (job) => done.add(job),
  };
  const lease: PoolLease = lendPool(pool);
  const runners: QueueRunner[] = [];
  const registration = {
    id,
    host: hostname(),
    pid: process.pid,
    queues: workers.map(({ queue }) => queue),
  };
  let heartbeat: Heartbeat | undefined;
  const subscription = listener.subscribe(
    ({ cancel, ended }) => {
      if (cancel !== undefined) active.cancel(cancel);
      if (ended !== undefined) changed();
    },
    () => undefined,
  );
  let ticks: { stop(): Promise<void> } | undefined;

  const pause = (): void => {
    if (stopped) return;
    stopped = true;
    active.stop();
    for (const runner of runners) runner.stop();
  };
  const stop = async (): Promise<void> => {
    pause();
    await ticks?.stop();
    await active.empty();
    // What is under way may still lock something, which is let go of last.
    await lease.end();
    await heartbeat?.stop();
    subscription.off();
    letGo();
    await deregister(database, id, pools, done.list()).catch((error: unknown) =>
      logger.warn("The process could not deregister; others will see that it is gone", {
        reason: reasonOf(error),
      }),
    );
  };
  try {
    heartbeat = await startHeartbeat({
      database,
      registration,
      pools,
      active,
      tasks,
      keptMs: Math.max(...workers.map(({ config }) => config.pollIntervalMs)),
      logger,
    });
    await subscription.ready;
    await Promise.all(
      workers.map(async ({ queue, tasks, config }) => {
        const runner = await runQueue({
          pool: lease.pool,
          schema: JOBS,
          config,
          tasks: Object.fromEntries(
            tasks.map((task) => [
              `${queue}/${task.name}`,
              (delivery: Delivery, { job }: JobHelpers) =>
                execute(executing, task, delivery, job.id),
            ]),
          ),
          logger,
          onPool: (pool) => pools.push(pool),
        });
        runners.push(runner);
      }),
    );
    // Whoever takes over from this process needs to know what it locks under.
    await heartbeat.beat();
    ticks = startTicks({ database, schedules: clock ? schedulesOf(tasks) : [], logger });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pause,
    stop,
    async idle() {
      for (;;) {
        const news = new AbortController();
        changed = () => news.abort("changed");
        if (stopped || (active.size === 0 && !(await isAnythingDue(database, tasks)))) return;
        await idleSleep(LOOK_MS, news.signal);
      }
    },
  };
}

function schedulesOf(tasks: readonly Task<never>[]): Schedule[] {
  return tasks.flatMap((task) =>
    task.triggers.flatMap((trigger) =>
      "cron" in trigger ? [{ task, name: trigger.name, match: parseCron(trigger.cron) }] : [],
    ),
  );
}

/** Executes what was delivered, unless it is somebody else's by now. */
async function execute(
  { turns, active, context, logger, over, isOver, onDone }: Executing,
  task: Task<never>,
  delivery: Delivery,
  job: string,
): Promise<void> {
  // What comes now is let go of with all the rest, and then done by another process.
  if (isOver()) return over;
  let key = keyOf(delivery);
  if (!active.reserve(key)) return;
  const taskKey = `${task.queue}/${task.name}`;
  const limit = {
    key: taskKey,
    ...(task.concurrency !== undefined && { concurrency: task.concurrency }),
  };
  try {
    const claim = await turns.claim(delivery, limit);
    if (!claim) return onDone(job);
    if (keyOf(claim) !== key) {
      active.reserve(keyOf(claim));
      active.delete(key);
      key = keyOf(claim);
    }
    const stored = claim.turn > 1 ? await turns.steps(claim) : [];
    const lines = withFields(logger, {
      task: task.name,
      queue: task.queue,
      execution: claim.id,
    });
    const turn = runTurn({ task, claim, stored, turns, context, logger: lines });
    active.set(key, turn);
    const end = await turn.over;
    if (end) await turns.end(claim, end, limit);
    // Not one that has failed, which is delivered again.
    onDone(job);
  } catch (error) {
    if (!(error instanceof Unregistered)) {
      logger.error("An execution could not be stored; it is done again", {
        execution: key,
        reason: reasonOf(error),
      });
    }
    throw error;
  } finally {
    active.delete(key);
  }
}

function keyOf({ id, turn }: Delivery): string {
  return `${id}/${turn}`;
}

/** Ids of a while ago and younger. */
function recentOf(ms: number): { add(id: string): void; list(): string[] } {
  const times = new Map<string, number>();
  // graphile-worker gathers for so long, and takes a moment to remove what it has.
  const kept = ms + 1000;
  return {
    add(id) {
      const now = performance.now();
      times.set(id, now);
      for (const [old, time] of times) {
        if (now - time <= kept) break;
        times.delete(old);
      }
    },
    list: () => [...times.keys()],
  };
}
