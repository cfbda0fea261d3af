import { randomUUID } from "node:crypto";
import { type CronMatch } from "../core/cron.ts";
import { reasonOf } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import type { ConductorLogger, Task } from "../types/conductor.ts";
import type { ConductorDatabase } from "../conductor/database.ts";
import { enqueue } from "../conductor/executions.ts";

/** A trigger of the clock, read. */
export interface Schedule {
  task: Task<never>;
  /** The name of the trigger. */
  name: string;
  match: CronMatch;
}

const MINUTE_MS = 60_000;

/** What was missed longer ago is not made up for. */
const CATCH_UP_MINUTES = 60;

/** Until minutes are looked at again that could not be. */
const RETRY_MS = 1000;

/**
 * Queues an execution for each minute in which a trigger is due, once however many processes do so. The clock is
 * that of Postgres, which all of them share.
 */
export function startTicks(options: {
  database: ConductorDatabase;
  schedules: readonly Schedule[];
  logger: ConductorLogger;
}): { stop(): Promise<void> } {
  const { database, schedules, logger } = options;
  const stopping = new AbortController();
  let done: number | undefined;
  /** Milliseconds until the next look. */
  const look = async (): Promise<number> => {
    const [row] = await database.query<{ now: Date }>("select now() as now");
    const now = row?.now.getTime() ?? 0;
    const minute = Math.floor(now / MINUTE_MS);
    // The minute that it is when a process starts counts: the one before may have ended within it.
    const from = Math.max((done ?? minute - 1) + 1, minute - CATCH_UP_MINUTES);
    for (let at = from; at <= minute; at += 1) {
      await queueMinute(database, schedules, new Date(at * MINUTE_MS));
      done = at;
    }
    return (minute + 1) * MINUTE_MS - now;
  };
  const loop = (async () => {
    while (schedules.length > 0 && !stopping.signal.aborted) {
      const wait = await look().catch((error: unknown) => {
        logger.warn("Tasks that may be due are looked at again", { reason: reasonOf(error) });
        return RETRY_MS;
      });
      await idleSleep(wait, stopping.signal);
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}

async function queueMinute(
  database: ConductorDatabase,
  schedules: readonly Schedule[],
  tick: Date,
): Promise<void> {
  for (const { task, name, match } of schedules) {
    if (!match(tick)) continue;
    await enqueue(database, {
      id: randomUUID(),
      queue: task.queue,
      task: task.name,
      event: name,
      tick,
      priority: 0,
      maxAttempts: task.maxAttempts,
    });
  }
}
