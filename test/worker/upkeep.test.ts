import { randomUUID } from "node:crypto";
import { Client, Pool } from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openConductorDatabase } from "../../src/conductor/database.ts";
import { giveBack, removeOld } from "../../src/conductor/registration.ts";
import { createActiveTurns } from "../../src/worker/active-turns.ts";
import { reconcile } from "../../src/worker/heartbeat.ts";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { benches, gate } from "./support.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterAll(() => postgres?.stop());
const bench = benches(() => postgres);
const nothing = (): void => undefined;

test("a drain that fails has stopped all the same", async () => {
  const one = await bench();
  const breaking = one.task("breaking", () =>
    one.query("alter table orchestrator_tasks.executions rename to gone"),
  );
  await one.conductor.invoke(breaking);
  const orchestrator = one.orchestrator({ tasks: [breaking] });
  await expect(orchestrator.drain()).rejects.toThrow("does not exist");
  expect(orchestrator.info.isStopped).toBe(true);
});

test("a drain that is stopped looks for nothing any more", async () => {
  const pool = new Pool({ connectionString: await postgres.createDatabase("left_alone") });
  try {
    const one = await bench({ pool });
    const held = gate();
    const begun = gate();
    const long = one.task("long", () => {
      begun.open();
      return held.opened;
    });
    await one.conductor.invoke(long);
    const first = one.orchestrator({ tasks: [long] });
    await first.start();
    await begun.opened;
    const asked = vi.spyOn(pool, "query");
    const looks = (): number =>
      asked.mock.calls.filter(([text]) => String(text).includes("as due")).length;
    const drained = one.orchestrator({ tasks: [long] });
    const draining = drained.drain();
    await until(() => looks() > 0);
    await drained.stop();
    await draining;
    const before = looks();
    // Two looks would come in that time, and one may be under way.
    await one.query("select pg_sleep(0.6)");
    expect(looks()).toBeLessThanOrEqual(before + 1);
    held.open();
    await first.stop();
    await one.conductor.close();
  } finally {
    await pool.end();
  }
});

test("a second start fails alone: a stop still waits for the first", async () => {
  const one = await bench();
  const orchestrator = one.orchestrator({ tasks: [one.task("a", nothing)] });
  const starting = orchestrator.start();
  await expect(orchestrator.start()).rejects.toMatchObject({ code: "INVALID_STATE" });
  await orchestrator.stop();
  await starting;
  expect(orchestrator.info).toMatchObject({ isRunning: false, isStopped: true });
  expect(await one.query("select from orchestrator_tasks.orchestrators")).toEqual([]);
});

test("what ended long ago is removed, however much there is of it", async () => {
  const one = await bench();
  const database = openConductorDatabase({ connectionString: one.url, onPoolError: nothing });
  await one.query(
    `insert into orchestrator_tasks.executions
      (id, queue, task, event, status, priority, run_at, max_attempts, max_losses, ended_at)
    select gen_random_uuid(), 'default', 'any', 'invoke', 'completed', 0, now(), 3, 5, now() - interval '8 days'
    from generate_series(1, 2500)`,
  );
  await removeOld(database);
  await database.close();
  expect(await one.query("select from orchestrator_tasks.executions")).toEqual([]);
});

test("what this process has, as the others see it, and knows nothing of goes back: seen twice, that very turn", async () => {
  const one = await bench();
  const database = openConductorDatabase({ connectionString: one.url, onPoolError: nothing });
  const worker = randomUUID();
  const id = await one.conductor.invoke({ name: "any" });
  const run = (turn: number): Promise<unknown> =>
    one.query(
      "update orchestrator_tasks.executions set status = 'running', worker = $2, turn = $3 where id = $1",
      [id, worker, turn],
    );
  const state = async (): Promise<unknown> =>
    (await one.query("select status, turn from orchestrator_tasks.executions"))[0];
  const look = { database, worker, active: createActiveTurns(nothing) };
  await run(1);
  // The answer to its claim may be on its way.
  const strange = await reconcile(look, new Set());
  expect(strange).toEqual(new Set([`${id}/1`]));
  expect(await state()).toEqual({ status: "running", turn: 1 });
  await run(2);
  expect(await reconcile(look, strange)).toEqual(new Set([`${id}/2`]));
  expect(await state()).toEqual({ status: "running", turn: 2 });
  await giveBack(database, worker, [{ id, turn: 1 }]);
  expect(await state()).toEqual({ status: "running", turn: 2 });
  await reconcile(look, new Set([`${id}/2`]));
  expect(await state()).toEqual({ status: "queued", turn: 3 });
  await database.close();
});

test("what somebody else says on our channel is no news", async () => {
  const one = await bench();
  const note = one.task("note", nothing);
  const id = await one.conductor.invoke(note);
  const ended = one.conductor.ended(id);
  await one.orchestrator({ tasks: [note] }).start();
  for (const payload of ["none of ours", "null", "7"]) {
    await one.query("select pg_notify('orchestrator_tasks', $1)", [payload]);
  }
  expect(await ended).toMatchObject({ status: "completed" });
  const told = performance.now();
  expect(await one.conductor.ended(await one.conductor.invoke(note))).toBeDefined();
  // News are still heard.
  expect(performance.now() - told).toBeLessThan(3000);
});

test("of a task with a limit, the first that waits and those that run are found by an index", async () => {
  const one = await bench();
  await one.query(
    `insert into orchestrator_tasks.executions
      (id, queue, task, event, parked, priority, run_at, max_attempts, max_losses)
    select gen_random_uuid(), 'default', 'any', 'invoke', true, n % 7, now(), 3, 5
    from generate_series(1, 5000) as n`,
  );
  await one.query("analyze orchestrator_tasks.executions");
  const plan = async (text: string): Promise<string> =>
    (await one.query<{ "QUERY PLAN": string }>(`explain ${text}`))
      .map((row) => row["QUERY PLAN"])
      .join("\n");
  const first = await plan(
    `select id from orchestrator_tasks.executions
    where queue = 'default' and task = 'any' and status = 'queued' and parked
    order by priority desc, run_at, created_at limit 1`,
  );
  expect(first).toContain("executions_parked");
  expect(first).not.toContain("Sort");
  const run = await plan(
    `select count(*) from orchestrator_tasks.executions
    where queue = 'default' and task = 'any' and status = 'running'`,
  );
  expect(run).toContain("executions_running");
});

test("what ended long ago is removed, orders of runners sooner", async () => {
  const one = await bench();
  const database = openConductorDatabase({ connectionString: one.url, onPoolError: nothing });
  const ended = async (queue: string, task: string, days: number): Promise<string> => {
    const id = await one.conductor.invoke({ name: "any" });
    await one.query(
      `update orchestrator_tasks.executions set queue = $2, task = $3, status = 'completed',
        ended_at = now() - $4 * interval '1 day' where id = $1`,
      [id, queue, task, days],
    );
    return id;
  };
  await ended("default", "any", 8);
  await ended("runners/eu", "order", 2);
  const kept = await Promise.all([ended("default", "any", 6), ended("runners/", "order", 0.5)]);
  await removeOld(database);
  await database.close();
  const rows = await one.query<{ id: string }>("select id from orchestrator_tasks.executions");
  expect(rows.map(({ id }) => id).sort()).toEqual(kept.sort());
});

test("a delivery that failed is there still when the process stops", async () => {
  const one = await bench();
  const note = one.task("note", () => "done");
  const late = one.orchestrator({ tasks: [note] });
  await late.start();
  // As after a silence, when others hold it for dead.
  await one.query("delete from orchestrator_tasks.orchestrators");
  const id = await one.conductor.invoke(note);
  await until(() => one.lines.some(({ message }) => message.includes("not registered")));
  await late.stop();
  expect(await one.conductor.execution(id)).toMatchObject({ status: "queued" });
  expect(await one.query("select from orchestrator_jobs.jobs")).toHaveLength(1);
});

test("a checkpoint is where a stop lets go", async () => {
  const one = await bench();
  const begun = gate();
  const held = gate();
  const reached: string[] = [];
  const long = one.task("long", async (_, ctx) => {
    await ctx.checkpoint();
    reached.push("first");
    begun.open();
    await held.opened;
    await ctx.checkpoint();
    reached.push("second");
  });
  const id = await one.conductor.invoke(long);
  const orchestrator = one.orchestrator({ tasks: [long] });
  await orchestrator.start();
  await begun.opened;
  const stopping = orchestrator.stop();
  await one.query("select");
  held.open();
  await stopping;
  expect(reached).toEqual(["first"]);
  expect(await one.conductor.execution(id)).toMatchObject({ status: "queued", attempts: 0 });
});

test("a start resolves once work has been looked for, and not before", async () => {
  const one = await bench();
  const orchestrator = one.orchestrator({ tasks: [one.task("note", nothing)] });
  const client = new Client(one.url);
  await client.connect();
  let started = false;
  try {
    await client.query(
      "begin; lock table orchestrator_jobs._private_jobs in access exclusive mode",
    );
    const starting = orchestrator.start().then(() => (started = true));
    await until(async () => {
      const waiting = await client.query(
        "select from pg_locks where not granted and relation = 'orchestrator_jobs._private_jobs'::regclass",
      );
      return waiting.rows.length > 0;
    });
    await client.query("select pg_sleep(0.2)");
    expect(started).toBe(false);
    await client.query("commit");
    await starting;
  } finally {
    await client.end();
  }
});
