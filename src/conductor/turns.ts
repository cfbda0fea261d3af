import type { ConductorDatabase, Query } from "./database.ts";
import { deliver, tell } from "./executions.ts";
import { CHANNEL } from "./listener.ts";
import { TABLES } from "./schema.ts";

/** What graphile-worker delivers: an execution, and which of its turns. */
export interface Delivery {
  id: string;
  turn: number;
}

/** A turn of an execution that this process has claimed. */
export interface Claim {
  id: string;
  turn: number;
  queue: string;
  task: string;
  event: string;
  tick: Date | null;
  payload: unknown;
  attempts: number;
  max_attempts: number | null;
}

/** What a step stored, or when a sleep ends. */
export interface StoredStep {
  key: string;
  /** JSON, or nothing for a step that answered nothing. */
  value: string | null;
  wake_at: Date | null;
  due: boolean | null;
}

/** How a turn is over. A `retry` is a failure that has another try. */
export type TurnEnd =
  | { status: "completed"; result: string | undefined }
  | { status: "failed"; error: string }
  | { status: "retry"; error: string; delayMs: number }
  | { status: "asleep"; until: Date }
  | { status: "released" };

/** Turns of executions as one process, whose id is `worker`, claims and ends them. */
export interface Turns {
  /**
   * Claims a delivery; undefined where it is nobody's any more, or waits for the task's limit. Of a task with one,
   * what is claimed may be another execution.
   */
  claim(
    delivery: Delivery,
    limit: { key: string; concurrency?: number },
  ): Promise<Claim | undefined>;
  /** What steps of earlier turns stored. */
  steps(claim: Claim): Promise<StoredStep[]>;
  /** Stores a step's result; false where the turn was lost. */
  storeStep(claim: Claim, key: string, value: string | undefined): Promise<boolean>;
  /** Stores when a sleep ends, or finds when it does; undefined where the turn was lost. */
  storeSleep(
    claim: Claim,
    key: string,
    ms: number,
  ): Promise<{ until: Date; due: boolean } | undefined>;
  /** Puts a note beside the execution, for those who follow it; false where the turn was lost. */
  note(claim: Claim, row: string): Promise<boolean>;
  /** Stores how a turn is over; false where it was lost. */
  end(claim: Claim, end: TurnEnd, limit: { key: string; concurrency?: number }): Promise<boolean>;
}

/** The process is not among those that are known: it was late, and others hold it for dead. */
export class Unregistered extends Error {}

export function createTurns(database: ConductorDatabase, worker: string): Turns {
  const mine = `id = $1 and turn = $2 and worker = $3 and status = 'running'`;
  const key = ({ id, turn }: Claim): [string, number, string] => [id, turn, worker];
  return {
    async claim({ id, turn }, { key, concurrency }) {
      if (concurrency === undefined) return claimOne(database.query, { id, turn }, worker);
      return database.transaction(async (query) => {
        await lockTask(query, key);
        const next = await nextBelow(query, { id, turn }, concurrency);
        return next && claimOne(query, next, worker, concurrency);
      });
    },
    steps: ({ id }) =>
      database.query<StoredStep>(
        `select key, value::text as value, wake_at, wake_at <= now() as due from ${TABLES}.steps where execution = $1`,
        [id],
      ),
    async storeStep(claim, name, value) {
      const rows = await database.query(
        `with e as (select id from ${TABLES}.executions where ${mine} for share)
        insert into ${TABLES}.steps (execution, key, value) select e.id, $4, $5 from e
        -- The statement may be here for the second time, its first answer lost.
        on conflict (execution, key) do update set value = excluded.value
        returning 1`,
        [...key(claim), name, value ?? null],
      );
      return rows.length > 0;
    },
    async storeSleep(claim, name, ms) {
      const [row] = await database.query<{ until: Date; due: boolean }>(
        `with e as (select id from ${TABLES}.executions where ${mine} for share)
        insert into ${TABLES}.steps as s (execution, key, wake_at)
        select e.id, $4, now() + $5 * interval '1 millisecond' from e
        on conflict (execution, key) do update set wake_at = s.wake_at
        returning wake_at as until, wake_at <= now() as due`,
        [...key(claim), name, ms],
      );
      return row;
    },
    async note(claim, row) {
      const rows = await database.query(
        `with e as (select id from ${TABLES}.executions where ${mine} for share), noted as (
          insert into ${TABLES}.notes (execution, row) select e.id, $4 from e returning execution
        )
        select pg_notify($5, json_build_object('noted', execution)::text) from noted`,
        [...key(claim), row, CHANNEL],
      );
      return rows.length > 0;
    },
    async end(claim, end, { key: taskKey, concurrency }) {
      // What most turns come to takes one statement.
      if (end.status === "completed" && concurrency === undefined) {
        const rows = await database.query(
          `with e as (update ${TABLES}.executions
            set status = 'completed', worker = null, result = $4, ended_at = now()
            where ${mine} and not canceling returning id)
          select pg_notify($5, json_build_object('ended', e.id)::text) from e`,
          [...key(claim), end.result ?? null, CHANNEL],
        );
        if (rows.length > 0) return true;
      }
      return database.transaction(async (query) => {
        if (concurrency !== undefined) await lockTask(query, taskKey);
        const [row] = await query<{ canceling: boolean }>(
          `select canceling from ${TABLES}.executions where ${mine} for update`,
          key(claim),
        );
        if (!row) return false;
        await store(query, claim.id, row.canceling ? { status: "canceled" } : end);
        if (concurrency !== undefined) await unpark(query, claim.queue, claim.task, concurrency);
        return true;
      });
    },
  };
}

/**
 * Which execution of a task with a limit runs where this one was delivered: the first of those that wait, if there
 * is room for any.
 */
async function nextBelow(
  query: Query,
  { id, turn }: Delivery,
  concurrency: number,
): Promise<Delivery | undefined> {
  const [delivered] = await query<{ queue: string; task: string }>(
    `update ${TABLES}.executions set parked = true where id = $1 and turn = $2 and status = 'queued'
    returning queue, task`,
    [id, turn],
  );
  if (!delivered) return undefined;
  const [next] = await query<Delivery>(
    `select id, turn from ${TABLES}.executions
    where queue = $1 and task = $2 and status = 'queued' and parked
      and (select count(*) from ${TABLES}.executions
        where queue = $1 and task = $2 and status = 'running') < $3
    order by priority desc, run_at, created_at limit 1 for update`,
    [delivered.queue, delivered.task, concurrency],
  );
  return next;
}

async function claimOne(
  query: Query,
  { id, turn }: Delivery,
  worker: string,
  concurrency?: number,
): Promise<Claim | undefined> {
  // The registration is locked, so that whoever holds this process for dead sees the claim.
  const [row] = await query<Claim & { known: boolean }>(
    `with me as (select id from ${TABLES}.orchestrators where id = $3 for key share), e as (
      update ${TABLES}.executions x
      set status = 'running', worker = me.id, attempts = attempts + 1, parked = false,
        concurrency = $4, started_at = coalesce(started_at, now())
      from me where x.id = $1 and x.turn = $2 and x.status = 'queued'
      returning x.*
    )
    select exists (select from me) as known, e.id, e.turn, e.queue, e.task, e.event, e.tick, e.payload,
      e.attempts, e.max_attempts
    from (select) as one left join e on true`,
    [id, turn, worker, concurrency ?? null],
  );
  if (!row?.known) throw new Unregistered("this process is not registered");
  return row.id ? row : undefined;
}

/** One at a time decides who of a task with a limit runs. */
export async function lockTask(query: Query, key: string): Promise<void> {
  await query("select pg_advisory_xact_lock(hashtextextended($1, 7))", [key]);
}

/** Stores how an execution's turn is over, whoever had it. */
export async function store(
  query: Query,
  id: string,
  end: TurnEnd | { status: "canceled" },
): Promise<void> {
  const over = `update ${TABLES}.executions set worker = null, canceling = false,`;
  const again = `status = 'queued', turn = turn + 1`;
  switch (end.status) {
    case "completed":
      await query(`${over} status = 'completed', result = $2, ended_at = now() where id = $1`, [
        id,
        end.result ?? null,
      ]);
      break;
    case "failed":
      await query(`${over} status = 'failed', error = $2, ended_at = now() where id = $1`, [
        id,
        end.error,
      ]);
      break;
    case "canceled":
      await query(`${over} status = 'canceled', ended_at = now() where id = $1`, [id]);
      break;
    case "retry":
      await query(
        `with e as (${over} ${again}, error = $2, run_at = now() + $3 * interval '1 millisecond'
          where id = $1 returning *) ${deliver}`,
        [id, end.error, end.delayMs],
      );
      return;
    case "asleep":
      await query(
        `with e as (${over} ${again}, attempts = attempts - 1, run_at = $2 where id = $1 returning *) ${deliver}`,
        [id, end.until],
      );
      return;
    case "released":
      await query(
        `with e as (${over} ${again}, attempts = attempts - 1, run_at = now() where id = $1 returning *) ${deliver}`,
        [id],
      );
      return;
  }
  await tell(query, { ended: id });
}

/** Has as many that wait below a task's limit delivered as there is room for, the highest priority first. */
export async function unpark(
  query: Query,
  queue: string,
  task: string,
  concurrency: number,
): Promise<void> {
  await query(
    `with next as (
      select id from ${TABLES}.executions
      where queue = $1 and task = $2 and status = 'queued' and parked
      order by priority desc, run_at, created_at
      limit greatest(0, $3 - (select count(*) from ${TABLES}.executions
        where queue = $1 and task = $2 and status = 'running'))
      for update skip locked
    ), e as (
      update ${TABLES}.executions x set parked = false, turn = turn + 1 from next where x.id = next.id returning x.*
    ) ${deliver}`,
    [queue, task, concurrency],
  );
}
