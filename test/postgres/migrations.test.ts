import { createWorld } from "@workflow/world-postgres";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { migrate } from "../../src/postgres/migrations.ts";
import { schema } from "../../src/postgres/schema.ts";
import { startNode } from "../_support/process.ts";
import { startEmptyPostgres, startPostgres, type TestPostgres } from "../_support/postgres.ts";
import { bundledChild } from "../world/bundled-child.ts";
import { startLossyProxy } from "./proxy.ts";
import { testDatabases } from "./support.ts";

const { dir, child } = bundledChild(new URL("migrate-child.ts", import.meta.url));
const databases = testDatabases();
let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterEach(() => databases.close());
afterAll(() => postgres?.stop());

/** What all tables are made of. */
const columns = `SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
  WHERE table_schema IN ('workflow', 'orchestrator', 'workflow_drizzle') ORDER BY 1, 2, 3`;

test("processes and pools that start at the same moment on an empty database all succeed", async () => {
  const children = Array.from({ length: 3 }, () => startNode([child, postgres.url], dir));
  await Promise.all(children.map((running) => running.printed(/ready/)));
  const pools = Array.from({ length: 4 }, () => databases.open({ url: postgres.url }));
  await Promise.all(pools.map((pool) => pool.query("SELECT 1")));
  await Promise.all([
    pools[0]!.notify("go", ""),
    ...pools.map((pool) => migrate(pool, { engine: true })),
    ...children.map((running) => running.printed(/migrated/)),
  ]);
  const made = await pools[0]!.query("SELECT name FROM orchestrator.migrations ORDER BY name");
  expect(made).toEqual(
    schema.map(({ name }) => ({ name })).sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
});

test("the engine's tables are those of its own command, before or after which ours come", async () => {
  const here = databases.open({ url: postgres.url });
  await migrate(here, { engine: true });
  const own = await startPostgres();
  try {
    const there = databases.open({ url: own.url });
    await migrate(there);
    expect(await here.query(columns)).toEqual(await there.query(columns));
    await migrate(there, { engine: true });
    expect(await here.query(columns)).toEqual(await there.query(columns));
    await databases.close();
  } finally {
    await own.stop();
  }
  const world = createWorld({ connectionString: postgres.url });
  expect((await world.runs.list()).data).toEqual([]);
  await world.close?.();
});

test("a migration whose connection breaks is begun again, the engine's too", async () => {
  const proxy = await startLossyProxy(postgres.url);
  for (const [number, text] of ["workflow_stream_chunks", "orchestrator.labels"].entries()) {
    const url = await postgres.createDatabase(`broken_${number}`);
    const { port } = new URL(proxy.url);
    const database = databases.open({ url: url.replace(/:\d+\//, `:${port}/`) });
    proxy.loseAnswerTo(text);
    await migrate(database, { engine: true });
    const made = await database.query("SELECT name FROM orchestrator.migrations");
    expect(made).toHaveLength(schema.length);
  }
  expect(proxy.lost()).toBe(2);
  await databases.close();
  await proxy.close();
});

test("a migration that fails leaves nothing of itself and lets others go on", async () => {
  const url = await postgres.createDatabase("taken");
  const [first, second] = [databases.open({ url }), databases.open({ url })];
  await first.query("CREATE SCHEMA orchestrator");
  await first.query("CREATE TABLE orchestrator.claims (mine int)");
  await expect(migrate(first)).rejects.toThrow('relation "claims" already exists');
  await first.query("DROP TABLE orchestrator.claims");
  await Promise.all([migrate(first), migrate(second)]);
});
