import { randomUUID } from "node:crypto";
import { isAway } from "../conductor/database.ts";
import { ORDER, queueOfRegion } from "../conductor/orders.ts";
import { reasonOf } from "../core/errors.ts";
import { sleep } from "../core/sleep.ts";
import type { InvokeEvent, Task } from "../types/conductor.ts";
import type { WorkOrder } from "../types/work.ts";
import type { ConductorParts } from "../conductor/parts.ts";
import { workerDefaults } from "./checks.ts";
import { createRows, rowOf } from "./order-rows.ts";
import type { SourceWorker, WorkSource } from "./source.ts";
import type { NotingContext } from "./turn.ts";
import { startWork, type Work } from "./work.ts";

/** Orders from the queue of a region on Postgres: a task that is there already. */
export function createPostgresSource(parts: ConductorParts): WorkSource {
  let work: Work | undefined;
  const closing = new AbortController();
  let tell = (): void => undefined;
  /** Resolves once it is paused, and not before it has started. */
  const paused = new Promise<void>((resolve) => (tell = resolve));
  return {
    place: parts.place,
    async start(session) {
      await reach(parts, session.note, closing.signal);
      if (closing.signal.aborted) return;
      const queue = queueOfRegion(session.region);
      const config = {
        ...workerDefaults,
        concurrency: session.concurrency,
        // What was fetched and finds no slot would keep other workers waiting.
        fetchBatchSize: 1,
        // A process that is done ends only when nothing is gathered any more.
        flushIntervalMs: 200,
      };
      const workers = [{ queue, tasks: [orderTask(queue, session, paused)], config }];
      work = await startWork({ id: randomUUID(), workers, parts, clock: false });
    },
    async pause() {
      closing.abort();
      if (!work) return;
      work.pause();
      tell();
    },
    async close() {
      await work?.stop();
    },
  };
}

/** Waits for Postgres as long as it takes, and says so; rejects where waiting is of no use. */
async function reach(
  { place, database }: ConductorParts,
  note: SourceWorker["note"],
  closing: AbortSignal,
): Promise<void> {
  const pool = await database.pool();
  for (let wait = 100, away = false; !closing.aborted; wait = Math.min(wait * 2, 2000)) {
    try {
      await pool.query("select");
      if (away) note(`${place} is back`);
      return;
    } catch (error) {
      const reason = reasonOf(error);
      if (!isAway(error)) throw new Error(`${place}: ${reason}`, { cause: error });
      if (!away) note(`${place} is away (${reason})`);
      away = true;
      await sleep(wait, closing);
    }
  }
}

function orderTask(queue: string, { id, take }: SourceWorker, paused: Promise<void>): Task<never> {
  const handler = async (event: InvokeEvent<WorkOrder>, ctx: NotingContext): Promise<void> => {
    const rows = createRows((row) => ctx.note(row));
    // Nothing is executed of which nobody could know.
    await ctx.note({ row: "begin", worker: id });
    const outcome = await take(event.payload, { signal: ctx.signal, onEvent: rows.event });
    const row = rowOf(outcome, id);
    if (row) rows.add(row);
    await rows.written();
    // It stops: this is where it lets go.
    if (outcome.kind !== "returned") return;
    await paused;
    await ctx.checkpoint();
  };
  return {
    name: ORDER,
    queue,
    maxAttempts: 1,
    triggers: [{ invocable: true }],
    handler: handler as unknown as Task["handler"],
  };
}
