import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../src/postgres/database.ts";
import { createLabels } from "../../src/postgres/labels.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { createStorage } from "../../src/postgres/storage.ts";
import { createStoragePool } from "../../src/postgres/transactions.ts";
import type { World } from "../../src/runtime/engine-world.ts";
import { assemblePostgresWorld } from "../../src/runtime/postgres-world.ts";
import { labelledRuns, runLabels } from "../../src/runtime/run-labels.ts";
import type { FindRuns } from "../../src/runtime/run-lists.ts";
import { scannedRuns } from "../../src/runtime/run-scan.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { append, end, newRun } from "../world/conformance/support.ts";
import { testDatabases } from "./support.ts";

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

/** A run with tags, which ends in one way or goes on. */
async function runWith(world: World, tags: string[], how?: string): Promise<void> {
  const executionContext = { orchestrator: { tags, owner: "ci" } };
  const runId = await newRun(world, { executionContext });
  await append(world, runId, "run_started");
  if (how) await end(world, runId, how);
}

/** The tags of all runs that are found, page by page. */
async function tagsOf(find: FindRuns, filter: object): Promise<string[]> {
  const tags: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await find({ ...filter, limit: 40, ...(cursor && { cursor }) });
    for (const { run } of page.found) tags.push(run.executionContext!["orchestrator"].tags[0]);
    ({ cursor } = page);
  } while (cursor);
  return tags;
}

test("runs of earlier versions are found when they have been labelled, while others come and go", async () => {
  const { labels, world } = assembled;
  // The engine's own storage labels nothing.
  const earlier = createStorage(createStoragePool(database.pool).pool) as unknown as World;
  const ways = [undefined, "run_completed", "run_failed", "run_cancelled"];
  for (let index = 0; index < 120; index++) {
    await runWith(earlier, [`t${index}`, "old"], ways[index % 4]);
  }
  expect(await labels.filled()).toBe(false);
  await Promise.all([
    labels.fill(),
    // Another process does the same, as it starts too.
    createLabels({ database, storage: world, of: runLabels.of }).fill(),
    (async () => {
      for (let index = 0; index < 8; index++) await runWith(world, [`n${index}`], ways[index % 4]);
    })(),
  ]);
  expect(await labels.filled()).toBe(true);
  const [labelled, scanned] = [labelledRuns(labels), scannedRuns(() => world)];
  for (const state of [undefined, "running", "completed", "failed", "cancelled", "timed_out"]) {
    const filter = { ...(state && { state }) };
    const found = await tagsOf(labelled, filter);
    expect(found, state).toEqual(await tagsOf(scanned, filter));
    expect(found).toHaveLength({ none: 128, timed_out: 0 }[state ?? "none"] ?? 32);
  }
  expect(await tagsOf(labelled, { tag: "old" })).toHaveLength(120);
});
