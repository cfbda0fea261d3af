import type { PostgresClient, PostgresPool } from "../types/conductor.ts";
import type { ConductorDatabase } from "./database.ts";
import { importGraphile } from "./packages.ts";

/** The Postgres schema that our tables are in. */
export const TABLES = "orchestrator_tasks";

/** That of graphile-worker's, where an app's own does not migrate ours. */
export const JOBS = "orchestrator_jobs";

/** One process at a time; any number that nobody else takes. */
const LOCK = 4_118_230_571;

// In their order, once each. One that was released is never changed.
const migrations: readonly (readonly [name: string, text: string])[] = [
  [
    "executions",
    `
create table ${TABLES}.orchestrators (
  id uuid primary key,
  -- Ids under which graphile-worker locks what was fetched.
  pools text[] not null default '{}',
  queues text[] not null,
  host text not null,
  pid integer not null,
  started_at timestamptz not null default now(),
  beat_at timestamptz not null default now()
);
create table ${TABLES}.executions (
  id uuid primary key,
  queue text not null,
  task text not null,
  event text not null,
  -- Of a trigger of the clock: the minute.
  tick timestamptz,
  payload json,
  status text not null default 'queued'
    check (status in ('queued', 'running', 'completed', 'failed', 'canceled')),
  priority integer not null,
  run_at timestamptz not null,
  attempts integer not null default 0,
  -- Nothing where whoever queued it does not know the task: then its worker does.
  max_attempts integer,
  -- How often a process died with it.
  losses integer not null default 0,
  -- So many processes may die with it until it is held to be the reason.
  max_losses integer not null,
  -- Rises whenever it is queued again; who has an older one has lost it.
  turn integer not null default 1,
  worker uuid,
  -- The task's limit when it was claimed.
  concurrency integer,
  -- Waits for a place below that limit, and has no job.
  parked boolean not null default false,
  canceling boolean not null default false,
  dedupe_key text,
  result json,
  error text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz
);
create unique index executions_dedupe on ${TABLES}.executions (queue, task, dedupe_key)
  where dedupe_key is not null and status in ('queued', 'running');
create unique index executions_tick on ${TABLES}.executions (queue, task, event, tick)
  where tick is not null;
create index executions_open on ${TABLES}.executions (queue, task, run_at)
  where status in ('queued', 'running');
create index executions_worker on ${TABLES}.executions (worker) where status = 'running';
create index executions_running on ${TABLES}.executions (queue, task) where status = 'running';
create index executions_parked on ${TABLES}.executions (queue, task, priority desc, run_at, created_at)
  where parked;
create index executions_ended on ${TABLES}.executions (ended_at) where ended_at is not null;
create table ${TABLES}.steps (
  execution uuid not null references ${TABLES}.executions (id) on delete cascade,
  key text not null,
  value json,
  -- Of a sleep.
  wake_at timestamptz,
  primary key (execution, key)
);
-- What a task says while it runs.
create table ${TABLES}.notes (
  n bigint generated always as identity primary key,
  execution uuid not null references ${TABLES}.executions (id) on delete cascade,
  row json not null
);
create index notes_execution on ${TABLES}.notes (execution, n);`,
  ],
];

/** Makes the tables that are missing, ours and graphile-worker's. Any number of processes may call it at once. */
export async function ensureSchema(database: ConductorDatabase): Promise<void> {
  const pool = await database.pool();
  await database.transaction(async (query) => {
    await query("select pg_advisory_xact_lock($1)", [LOCK]);
    await query(`create schema if not exists ${TABLES}`);
    await query(
      `create table if not exists ${TABLES}.migrations (name text primary key, at timestamptz not null default now())`,
    );
    const done = await query<{ name: string }>(`select name from ${TABLES}.migrations`);
    const names = new Set(done.map(({ name }) => name));
    for (const [name, text] of migrations) {
      if (names.has(name)) continue;
      await query(text);
      await query(`insert into ${TABLES}.migrations (name) values ($1)`, [name]);
    }
    // Within the lock, on a connection of its own: it has transactions of its own.
    await migrateGraphile(pool);
  });
}

async function migrateGraphile(pool: PostgresPool): Promise<void> {
  const { runMigrations } = await importGraphile();
  await runMigrations({ pgPool: quiet(pool) as never, schema: JOBS });
}

/**
 * Keeps migrations from being told of: graphile-worker tells everybody who uses it in this database, whatever their
 * schema, and those then stop.
 */
function quiet(pool: PostgresPool): PostgresPool {
  const query = (client: PostgresClient, text: unknown, values?: unknown[]): unknown => {
    if (values?.[0] === "worker:migrate") return Promise.resolve({ rows: [] });
    return (client.query as (...args: unknown[]) => unknown).call(client, text, values);
  };
  const only = <T extends object>(target: T, replaced: Partial<T>): T =>
    new Proxy(target, {
      get(target, key) {
        if (key in replaced) return replaced[key as keyof T];
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  return only(pool, {
    connect: async () => {
      const client = await pool.connect();
      return only(client, {
        query: ((text: unknown, values?: unknown[]) => query(client, text, values)) as never,
      });
    },
  });
}
