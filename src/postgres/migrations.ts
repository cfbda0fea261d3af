import { dirname, join } from "node:path";
import type { PoolClient } from "pg";
import type { Database } from "./database.ts";
import { engineWorld, requireFromEngineWorld } from "./package.ts";
import { patiently, wasRolledBack } from "./pool.ts";
import { schema } from "./schema.ts";

/** A change of the tables that processes share. */
export interface Migration {
  /** Says whether it has been made; never changed once released. */
  name: string;
  /** Statements, executed in one transaction. */
  sql: string;
}

/** The advisory lock under which tables are made, so that several processes may start at once. */
const LOCK = [0x6f726368, 1];

/** While another process makes tables, Postgres may be stopped as well. */
const PATIENCE_MS = 30_000;

/**
 * Makes or changes our tables, whatever version they are of; several processes may do it at once, on an empty
 * database too.
 *
 * @param options.engine whether the tables of `@workflow/world-postgres` are made as well, and before ours
 */
export async function migrate(
  database: Database,
  { engine = false }: { engine?: boolean } = {},
): Promise<void> {
  let lost = false;
  const attempt = async (): Promise<void> => {
    lost = false;
    const client = await database.pool.connect();
    // The engine's migrator rolls back on the broken connection, and throws what comes of that.
    const onError = (): void => void (lost = true);
    client.on("error", onError);
    try {
      // Of the session, since the engine's migrations bring their own transactions; its end unlocks.
      await client.query("SELECT pg_advisory_lock($1, $2)", LOCK);
      if (engine) await migrateEngine(client);
      await migrateOurs(client);
      await client.query("SELECT pg_advisory_unlock($1, $2)", LOCK);
      client.release();
    } catch (error) {
      client.release(true);
      throw error;
    } finally {
      client.off("error", onError);
    }
  };
  // Each part is made in a transaction and noted in it, so that it may all be begun again.
  const again = (error: unknown): boolean => lost || wasRolledBack(error);
  await patiently(attempt, again, { limit: PATIENCE_MS, signal: new AbortController().signal });
}

/** What the engine's command `bootstrap` does, but for the tables of a queue that is not used. */
async function migrateEngine(client: PoolClient): Promise<void> {
  const require = requireFromEngineWorld();
  const { drizzle } = require("drizzle-orm/node-postgres") as Drizzle;
  const { migrate: migrateWith } = require("drizzle-orm/node-postgres/migrator") as Migrator;
  const dist = dirname(require.resolve(engineWorld));
  await migrateWith(drizzle(client), {
    migrationsFolder: join(dist, "../src/drizzle/migrations"),
    migrationsTable: "workflow_migrations",
    migrationsSchema: "workflow_drizzle",
  });
}

async function migrateOurs(client: PoolClient): Promise<void> {
  await client.query(`
    CREATE SCHEMA IF NOT EXISTS orchestrator;
    CREATE TABLE IF NOT EXISTS orchestrator.migrations (
      name text PRIMARY KEY,
      made_at timestamptz NOT NULL DEFAULT now()
    )`);
  const { rows } = await client.query<{ name: string }>("SELECT name FROM orchestrator.migrations");
  const made = new Set(rows.map(({ name }) => name));
  for (const { name, sql } of schema) {
    if (made.has(name)) continue;
    await client.query("BEGIN");
    await client.query(sql);
    await client.query("INSERT INTO orchestrator.migrations (name) VALUES ($1)", [name]);
    await client.query("COMMIT");
  }
}

/** What is used of drizzle, which is a dependency of the engine's World and none of ours. */
interface Drizzle {
  drizzle: (client: PoolClient) => object;
}

interface Migrator {
  migrate: (database: object, options: Record<string, string>) => Promise<void>;
}
