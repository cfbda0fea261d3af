import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Database } from "../../src/postgres/database.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { createRetention, type Retention } from "../../src/postgres/retention.ts";
import { assemblePostgresWorld } from "../../src/runtime/postgres-world.ts";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { append, end, newHook, newRun, newStep } from "../world/conformance/support.ts";
import { later, testDatabases } from "./support.ts";

const databases = testDatabases();
let postgres: TestPostgres;
let database: Database;
let assembled: ReturnType<typeof assemblePostgresWorld>;

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  database = databases.open({ url: postgres.url });
  await migrate(database, { engine: true });
  assembled = assemblePostgresWorld({ WORKFLOW_POSTGRES_URL: postgres.url });
});
afterAll(async () => {
  await assembled?.close();
  await databases.close();
  await postgres?.stop();
});
beforeEach(async () => {
  for (const table of await tablesOfRuns()) await database.query(`DELETE FROM ${table}`);
  await database.query("DELETE FROM workflow.workflow_runs");
});

const day = 86_400_000;

function retention(kept: { age?: number; count?: number }): Retention {
  return createRetention(database, kept, (message) => {
    throw new Error(message);
  });
}

/** Every table that has rows of runs, whichever there are in this version. */
async function tablesOfRuns(): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `SELECT table_schema || '.' || table_name AS name FROM information_schema.columns
    WHERE column_name = 'run_id' AND table_schema IN ('workflow', 'orchestrator')`,
  );
  return rows.map(({ name }) => name);
}

/** A run with something of everything, which ended some days ago, or has not ended. */
async function run(daysAgo?: number, how = "run_completed"): Promise<string> {
  const { world } = assembled;
  const executionContext = { orchestrator: { tags: ["t"], owner: "ci" } };
  const runId = await newRun(world, { executionContext });
  await append(world, runId, "run_started");
  await newStep(world, runId);
  await newHook(world, runId);
  await world.writeToStream(`strm_${runId}`, runId, "chunk");
  await database.query(
    "INSERT INTO orchestrator.claims (key, run_id, fingerprint) VALUES ($1, $2, '')",
    [`key of ${runId}`, runId],
  );
  if (daysAgo === undefined) return runId;
  await end(world, runId, how);
  // Its streams are closed a moment later.
  await until(async () => {
    const open = "SELECT FROM orchestrator.streams WHERE run_id = $1 AND NOT done";
    return (await database.query(open, [runId])).length === 0;
  });
  await database.query(
    "UPDATE workflow.workflow_runs SET completed_at = now() - $2 * interval '1 day' WHERE id = $1",
    [runId, daysAgo],
  );
  return runId;
}

async function left(): Promise<string[]> {
  const rows = await database.query<{ id: string }>("SELECT id FROM workflow.workflow_runs");
  return rows.map(({ id }) => id).toSorted();
}

test("what ended too long ago goes with all that is its own, the rest stays with all of its own", async () => {
  const old = [await run(31), await run(40, "run_failed"), await run(90, "run_cancelled")];
  const kept = [await run(29), await run(0), await run()];
  expect(await retention({ age: 30 * day }).sweep()).toBe(3);
  expect(await left()).toEqual(kept.toSorted());
  const seen = new Set<string>();
  for (const table of await tablesOfRuns()) {
    for (const { run_id } of await database.query<{ run_id: string }>(
      `SELECT DISTINCT run_id FROM ${table}`,
    )) {
      expect(old, table).not.toContain(run_id);
      seen.add(`${table} ${run_id}`);
    }
  }
  for (const table of ["workflow.workflow_events", "orchestrator.claims", "orchestrator.labels"]) {
    for (const runId of kept) expect(seen).toContain(`${table} ${runId}`);
  }
});

test("as many as are kept are the newest, and those that have not ended do not count", async () => {
  const open = [await run(), await run()];
  await run(3);
  const kept = [await run(1), await run(2)];
  expect(await retention({ count: 2 }).sweep()).toBe(1);
  expect(await left()).toEqual([...open, ...kept].toSorted());
  expect(await retention({ count: 2, age: 1.5 * day }).sweep()).toBe(1);
  expect(await left()).toEqual([...open, kept[0]!].toSorted());
});

test("many go in batches, and by one process at a time", async () => {
  await database.query(
    `INSERT INTO workflow.workflow_runs (id, deployment_id, status, name, created_at, updated_at, completed_at)
    SELECT 'wrun_' || n, 'd', 'completed', 'w', now(), now(), now() - interval '40 days'
    FROM generate_series(1, 250) AS n`,
  );
  const [locked, release] = [later(), later()];
  const other = database.transaction(async (query) => {
    await query("SELECT pg_advisory_xact_lock(1869768552, 3)");
    locked.resolve();
    await release.promise;
  });
  await locked.promise;
  expect(await retention({ age: 30 * day }).sweep()).toBe(0);
  release.resolve();
  await other;
  const looks: string[] = [];
  const watched: Pick<Database, "query" | "transaction"> = {
    query(text, ...rest) {
      looks.push(text);
      return database.query(text, ...rest);
    },
    transaction: (work) =>
      database.transaction((query) =>
        work((text, ...rest) => {
          if (text.includes("row_number")) looks.push(text);
          return query(text, ...rest);
        }),
      ),
  };
  expect(await createRetention(watched, { age: 30 * day }, String).sweep()).toBe(250);
  expect(await left()).toEqual([]);
  // Each looks at all runs.
  expect(looks).toHaveLength(1);
});

test("what goes is found by indexes, however many rows the tables have", async () => {
  const indexed = await database.query<{ name: string }>(
    `SELECT DISTINCT schemaname || '.' || tablename AS name FROM pg_indexes WHERE indexdef ~ '\\(run_id[,)]'`,
  );
  expect(indexed.map(({ name }) => name)).toEqual(expect.arrayContaining(await tablesOfRuns()));
});
