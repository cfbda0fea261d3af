import type { Execution, ExecutionStatus } from "../types/conductor.ts";
import type { ConductorDatabase, Query } from "./database.ts";
import { CHANNEL, type News } from "./listener.ts";
import { JOBS, TABLES } from "./schema.ts";

/** An execution to be queued. */
export interface NewExecution {
  id: string;
  queue: string;
  task: string;
  event: string;
  tick?: Date;
  /** JSON. */
  payload?: string;
  priority: number;
  runAt?: Date;
  /** Without it the worker's. */
  maxAttempts?: number;
  /**
   * So many processes may die with it until it has failed.
   * @default 5
   */
  maxLosses?: number;
  dedupeKey?: string;
}

/** So many processes may die with an execution that does not say otherwise. */
const MAX_LOSSES = 5;

interface ExecutionRow {
  id: string;
  queue: string;
  task: string;
  status: ExecutionStatus;
  attempts: number;
  max_attempts: number | null;
  priority: number;
  payload: unknown;
  result: unknown;
  error: string | null;
  run_at: Date;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
}

/** Has graphile-worker deliver the rows of `e` when they are due; to it, a lower priority comes first. */
export const deliver: string = `select ${JOBS}.add_job(
  e.queue || '/' || e.task, json_build_object('id', e.id, 'turn', e.turn),
  run_at => e.run_at, priority => -e.priority) from e`;

/** Queues an execution with its delivery, and answers with its id, or that of one that is there already. */
export async function enqueue(
  database: ConductorDatabase,
  execution: NewExecution,
): Promise<string> {
  const { queue, task, event, dedupeKey } = execution;
  for (;;) {
    const [added] = await database.query<{ id: string }>(
      `with e as (
        insert into ${TABLES}.executions
          (id, queue, task, event, tick, payload, priority, run_at, max_attempts, dedupe_key, max_losses)
        values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()), $9, $10, $11)
        on conflict do nothing
        returning *
      ), jobs as (${deliver})
      select e.id from e, (select count(*) from jobs) as delivered`,
      [
        execution.id,
        queue,
        task,
        event,
        execution.tick ?? null,
        execution.payload ?? null,
        execution.priority,
        execution.runAt ?? null,
        execution.maxAttempts ?? null,
        dedupeKey ?? null,
        execution.maxLosses ?? MAX_LOSSES,
      ],
    );
    if (added) return added.id;
    const [there] = await database.query<{ id: string }>(
      `select id from ${TABLES}.executions
      where id = $1
        or queue = $2 and task = $3 and event = $4 and tick = $5
        or queue = $2 and task = $3 and dedupe_key = $6 and status in ('queued', 'running')
      limit 1`,
      [execution.id, queue, task, event, execution.tick ?? null, dedupeKey ?? null],
    );
    // The one that was in the way may have ended meanwhile.
    if (there) return there.id;
  }
}

/** An execution as it is now. */
export async function readExecution(
  database: ConductorDatabase,
  id: string,
): Promise<Execution | undefined> {
  const [row] = await database.query<ExecutionRow>(
    `select id, queue, task, status, attempts, max_attempts, priority, payload, result, error,
      run_at, created_at, started_at, ended_at
    from ${TABLES}.executions where id = $1`,
    [id],
  );
  return row && executionOf(row);
}

function executionOf(row: ExecutionRow): Execution {
  return {
    id: row.id,
    task: row.task,
    queue: row.queue,
    status: row.status,
    attempts: row.attempts,
    ...(row.max_attempts !== null && { maxAttempts: row.max_attempts }),
    priority: row.priority,
    payload: row.payload,
    ...(row.status === "completed" && row.result !== null && { result: row.result }),
    ...(row.error !== null && { lastError: row.error }),
    runAt: row.run_at.toISOString(),
    createdAt: row.created_at.toISOString(),
    ...(row.started_at && { startedAt: row.started_at.toISOString() }),
    ...(row.ended_at && { endedAt: row.ended_at.toISOString() }),
  };
}

/**
 * Cancels what is queued, and has what runs be told; false where there is neither.
 *
 * @param reason stands as the execution's error, for those who ask why
 */
export async function cancelExecution(
  database: ConductorDatabase,
  id: string,
  reason: string | null = null,
): Promise<boolean> {
  return database.transaction(async (query) => {
    // The row's lock decides between this and a process that claims it.
    const [row] = await query<{ status: ExecutionStatus }>(
      `select status from ${TABLES}.executions where id = $1 for update`,
      [id],
    );
    if (row?.status === "queued") {
      await query(
        `update ${TABLES}.executions set status = 'canceled', parked = false, error = coalesce($2, error), ended_at = now()
        where id = $1`,
        [id, reason],
      );
      await tell(query, { ended: id });
      return true;
    }
    if (row?.status !== "running") return false;
    await query(
      `update ${TABLES}.executions set canceling = true, error = coalesce($2, error) where id = $1`,
      [id, reason],
    );
    await tell(query, { cancel: id });
    return true;
  });
}

/** Tells every process, once the transaction is stored. */
export async function tell(query: Query, news: News): Promise<void> {
  await query("select pg_notify($1, $2)", [CHANNEL, JSON.stringify(news)]);
}

/** Whether anything of these tasks runs or is due. */
export async function isAnythingDue(
  database: ConductorDatabase,
  tasks: readonly { queue: string; name: string }[],
): Promise<boolean> {
  const [row] = await database.query<{ due: boolean }>(
    `select exists (
      select from ${TABLES}.executions
      where (queue, task) in (select * from unnest($1::text[], $2::text[]))
        and (status = 'running' or status = 'queued' and run_at <= now())
    ) as due`,
    [tasks.map(({ queue }) => queue), tasks.map(({ name }) => name)],
  );
  return row?.due === true;
}
