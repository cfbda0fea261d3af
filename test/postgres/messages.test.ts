import { afterAll, beforeAll, expect, test } from "vitest";
import { CLAIM, NEXT_DUE, REAP } from "../../src/postgres/message-statements.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { testDatabases } from "./support.ts";

const databases = testDatabases();
let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterAll(async () => {
  await databases.close();
  await postgres?.stop();
});

/** Wake-ups that wait, as many steps that are delayed, and a few that are held. */
const FILL = `
INSERT INTO orchestrator.messages (run_id, name, kind, message_id, queue_name, payload, carries, due, holder, keeper)
SELECT 'wrun_' || i, kind, kind, 'msg', '__wkf_x', '{}', false, due, CASE WHEN i % 1000 = 0 THEN gen_random_uuid() END, 1
FROM generate_series(1, 10000) i, (VALUES ('flow', now() - interval '1 hour'), ('step', now() + interval '1 hour')) k(kind, due)`;

test("what processes look for again and again is found without a look at all that waits", async () => {
  const database = databases.open({ url: postgres.url });
  await migrate(database);
  await database.query(FILL);
  await database.query("ANALYZE orchestrator.messages");
  const values = ["5", "5", "ARRAY['__wkf_']", "gen_random_uuid()", "1"];
  for (const [name, statement] of Object.entries({ CLAIM, REAP, NEXT_DUE })) {
    const text = values.reduce(
      (sql, value, index) => sql.replaceAll(`$${index + 1}`, value),
      statement,
    );
    const [row] = await database.query<{ "QUERY PLAN": { Plan: object }[] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
    );
    const read = rowsRead(row!["QUERY PLAN"][0]!.Plan);
    expect(read, name).toBeLessThan(100);
  }
});

/** Rows of tables that a plan's execution has looked at. */
function rowsRead(plan: Record<string, any>): number {
  const below: number[] = (plan.Plans ?? []).map(rowsRead);
  const removed =
    (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Index Recheck"] ?? 0);
  const own = plan["Relation Name"] ? (plan["Actual Rows"] + removed) * plan["Actual Loops"] : 0;
  return below.reduce((sum, count) => sum + count, own);
}
