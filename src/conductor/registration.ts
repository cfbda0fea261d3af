import type { ConductorDatabase, Query } from "./database.ts";
import { deliver } from "./executions.ts";
import { ORDER, queueOfRegion } from "./orders.ts";
import { JOBS, TABLES } from "./schema.ts";
import { lockTask, store, unpark } from "./turns.ts";

/** A process as the others know it. */
export interface Registration {
  id: string;
  host: string;
  pid: number;
  /** Whose work it takes. */
  queues: readonly string[];
}

/** Who has been silent for so many milliseconds is dead. */
export const SILENT_MS = 10_000;

/** How long ended executions can be read, in days; orders of runners, whose answers are large, only one. */
const KEPT_DAYS = 7;
const KEPT_ORDERS_DAYS = 1;

/** So many are removed at once. */
const REMOVED = 1000;

/** Says that a process lives; false where the others did not know it, or had given it up. */
export async function beat(
  database: ConductorDatabase,
  { id, host, pid, queues }: Registration,
  pools: readonly string[],
): Promise<boolean> {
  const [row] = await database.query<{ known: boolean }>(
    `insert into ${TABLES}.orchestrators as o (id, host, pid, pools, queues, beat_at)
    values ($1, $2, $3, $4, $5, now())
    on conflict (id) do update set beat_at = now(), pools = excluded.pools
    returning xmax <> 0 as known`,
    [id, host, pid, pools, queues],
  );
  return row?.known === true;
}

/** What a process runs, as the others see it. */
export async function runningOf(
  database: ConductorDatabase,
  worker: string,
): Promise<{ id: string; turn: number; canceling: boolean }[]> {
  return database.query(
    `select id, turn, canceling from ${TABLES}.executions where worker = $1 and status = 'running'`,
    [worker],
  );
}

/** Queues what processes had that have not said for so long that they live; answers with their ids. */
export async function takeOver(
  database: ConductorDatabase,
  worker: string,
  silentMs: number,
): Promise<string[]> {
  return database.transaction(async (query) => {
    // Who is just claiming something holds its row, and is looked at the next time.
    const dead = await query<{ id: string; pools: string[] }>(
      `select id, pools from ${TABLES}.orchestrators
      where id <> $1 and beat_at < now() - $2 * interval '1 millisecond'
      for update skip locked`,
      [worker, silentMs],
    );
    for (const { id, pools } of dead) await leave(query, id, pools);
    return dead.map(({ id }) => id);
  });
}

/** Queues turns that a process has claimed and knows nothing of, as after an answer that was lost. */
export async function giveBack(
  database: ConductorDatabase,
  worker: string,
  turns: readonly { id: string; turn: number }[],
): Promise<void> {
  await database.transaction((query) => requeue(query, worker, turns));
}

/** Removes a process that has ended, and lets go of all it has locked. */
export async function deregister(
  database: ConductorDatabase,
  worker: string,
  pools: readonly string[],
  done: readonly string[],
): Promise<void> {
  await database.transaction(async (query) => {
    await leave(query, worker, pools);
    // Deliveries that are done and were gathered to be removed.
    await query(`select ${JOBS}.complete_jobs($1::bigint[])`, [done]);
  });
}

async function leave(query: Query, worker: string, pools: readonly string[]): Promise<void> {
  await requeue(query, worker);
  await query(`select ${JOBS}.force_unlock_workers($1)`, [pools]);
  await query(`delete from ${TABLES}.orchestrators where id = $1`, [worker]);
}

async function requeue(
  query: Query,
  worker: string,
  turns?: readonly { id: string; turn: number }[],
): Promise<void> {
  const rows = await query<{ id: string; losses: number; spent: boolean; canceling: boolean }>(
    `update ${TABLES}.executions set losses = losses + 1
    where worker = $1 and status = 'running'
      and ($2::uuid[] is null or (id, turn) in (select * from unnest($2::uuid[], $3::int[])))
    returning id, losses, losses >= max_losses as spent, canceling`,
    [worker, turns?.map(({ id }) => id) ?? null, turns?.map(({ turn }) => turn) ?? null],
  );
  for (const { id, losses, spent, canceling } of rows) {
    if (canceling) await store(query, id, { status: "canceled" });
    else if (!spent) await store(query, id, { status: "released" });
    else {
      const error = `The process that ran it was lost${losses > 1 ? `, ${losses} times` : ""}`;
      await store(query, id, { status: "failed", error });
    }
  }
}

/** Finds executions that wait below their task's limit though there is room, or no limit any more. */
export async function unparkAll(
  database: ConductorDatabase,
  tasks: readonly { queue: string; name: string; concurrency?: number }[],
): Promise<void> {
  const parked = await database.query<{ queue: string; task: string }>(
    `select distinct queue, task from ${TABLES}.executions where parked`,
  );
  for (const { queue, name, concurrency } of tasks) {
    if (!parked.some((one) => one.queue === queue && one.task === name)) continue;
    await database.transaction(async (query) => {
      await lockTask(query, `${queue}/${name}`);
      await unpark(query, queue, name, concurrency ?? REMOVED);
    });
  }
}

/**
 * Has executions delivered again that graphile-worker has fetched long ago and never handed over: for this process,
 * as after an answer that was lost, or for one that nobody knows.
 */
export async function redeliver(
  database: ConductorDatabase,
  pools: readonly string[],
  olderMs: number,
): Promise<void> {
  await database.query(
    `with fetched as (
      select (payload->>'id')::uuid as id, (payload->>'turn')::int as turn from ${JOBS}._private_jobs
      where locked_at < now() - $2 * interval '1 millisecond' and (
        locked_by = any($1)
        or not exists (select from ${TABLES}.orchestrators where locked_by = any(pools))
      )
    ), e as (
      update ${TABLES}.executions x set turn = x.turn + 1 from fetched
      where x.id = fetched.id and x.turn = fetched.turn and x.status = 'queued' and not x.parked
      returning x.*
    ) ${deliver}`,
    [pools, olderMs],
  );
}

/** Removes executions that have ended long ago. */
export async function removeOld(database: ConductorDatabase): Promise<void> {
  for (;;) {
    const removed = await database.query(
      `delete from ${TABLES}.executions where id in (
        select id from ${TABLES}.executions
        where ended_at < now() - case when task = $3 and starts_with(queue, $4) then $5::int else $1::int end
          * interval '1 day'
          -- By the index.
          and ended_at < now() - least($1::int, $5::int) * interval '1 day'
        limit $2
        for update skip locked
      ) returning 1`,
      [KEPT_DAYS, REMOVED, ORDER, queueOfRegion(""), KEPT_ORDERS_DAYS],
    );
    if (removed.length < REMOVED) return;
  }
}
