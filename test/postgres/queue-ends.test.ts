import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { MessageMeta } from "../../src/core/queue-requests.ts";
import type { Database } from "../../src/postgres/database.ts";
import { currentDelivery } from "../../src/postgres/deliveries.ts";
import { createMessages } from "../../src/postgres/messages.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { createQueue } from "../../src/postgres/queue.ts";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { flow, step, stepOf, testMembers } from "./members.ts";
import { later, testDatabases } from "./support.ts";

const databases = testDatabases();
const { join, leaveAll } = testMembers(databases, () => postgres.url);
let postgres: TestPostgres;
let database: Database;

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  database = databases.open({ url: postgres.url });
  await migrate(database);
});
afterEach(async () => {
  await leaveAll();
  await database.query("TRUNCATE orchestrator.messages");
});
afterAll(async () => {
  await databases.close();
  await postgres?.stop();
});

async function rows(): Promise<object[]> {
  return database.query("SELECT name FROM orchestrator.messages");
}

test("what a process that ends has under way goes on elsewhere at once, and is no delivery more", async () => {
  const never = new Promise<void>(() => undefined);
  const taken = later();
  const ending = join(async () => {
    taken.resolve();
    await never;
  });
  await ending.queue.queue(step, stepOf("step_1"), { idempotencyKey: "step_1" });
  await taken.promise;
  const seen: MessageMeta[] = [];
  join(async (_message, meta) => void seen.push(meta));
  await sleep(100);
  const toldAt = performance.now();
  ending.queue.drain();
  await ending.leave();
  await until(() => seen.length === 1);
  expect(performance.now() - toldAt).toBeLessThan(1000);
  expect(seen[0]!.attempt).toBe(1);
});

test("a process that drains takes nothing, and leaves what it queues to others", async () => {
  const here: unknown[] = [];
  const there: unknown[] = [];
  const draining = join(async (message) => void here.push(message));
  draining.queue.drain();
  join(async (message) => void there.push(message));
  await sleep(100);
  await draining.queue.queue(flow, { runId: "wrun_1" });
  await until(() => there.length === 1);
  expect(here).toEqual([]);
});

test("what a look under way brings to a process that drains goes to others at once", async () => {
  const [found, drained] = [later(), later()];
  const here: unknown[] = [];
  const draining = join(
    async (message) => void here.push(message),
    undefined,
    (messages) => ({
      ...messages,
      async claim(limits) {
        const claims = await messages.claim(limits);
        if (claims.length > 0) found.resolve();
        if (claims.length > 0) await drained.promise;
        return claims;
      },
    }),
  );
  const sender = join(async () => undefined);
  await sender.leave();
  await sender.queue.queue(step, stepOf("step_1"), { idempotencyKey: "step_1" });
  await found.promise;
  const there: MessageMeta[] = [];
  join(async (_message, meta) => void there.push(meta));
  draining.queue.drain();
  const toldAt = performance.now();
  drained.resolve();
  await until(() => there.length === 1);
  expect(performance.now() - toldAt).toBeLessThan(1000);
  expect([here, there[0]!.attempt]).toEqual([[], 1]);
});

test("a process that drains before it starts takes nothing", async () => {
  const here: unknown[] = [];
  const own = databases.open({ url: postgres.url });
  const queue = createQueue({
    database: own,
    messages: createMessages(own, 1),
    limits: { flows: 1, steps: 1 },
  });
  queue.createQueueHandler("__wkf_", async (message) => void here.push(message));
  queue.drain();
  queue.start();
  await queue.queue(flow, { runId: "wrun_1" });
  await sleep(200);
  expect([here, (await rows()).length]).toEqual([[], 1]);
  await queue.stop();
});

test("what fails only since the process has ended is told to nobody", async () => {
  const [asked, ended] = [later(), later()];
  const told = vi.spyOn(console, "error").mockImplementation(() => undefined);
  onTestFinished(() => told.mockRestore());
  const member = join(
    async () => undefined,
    undefined,
    (messages) => ({
      ...messages,
      async claim() {
        asked.resolve();
        await ended.promise;
        throw new Error("Cannot use a pool after calling end on the pool");
      },
    }),
  );
  await asked.promise;
  await member.leave();
  ended.resolve();
  await sleep(50);
  expect(told).not.toHaveBeenCalled();
});

test("who has lost its lease acknowledges nothing, also before it knows", async () => {
  const held = later();
  const taken = later();
  const loser = join(async () => {
    taken.resolve();
    await held.promise;
  });
  await loser.queue.queue(step, stepOf("step_1"), { idempotencyKey: "step_1" });
  await taken.promise;
  await database.query("UPDATE orchestrator.messages SET holder = gen_random_uuid()");
  held.resolve();
  await sleep(300);
  expect(await rows()).toHaveLength(1);
});

test("who has lost its lease is told to stop", async () => {
  const told = later();
  const taken = later();
  const loser = join(async () => {
    currentDelivery()!.lost.signal.addEventListener("abort", () => told.resolve());
    taken.resolve();
    await told.promise;
  });
  await loser.queue.queue(step, stepOf("step_1"), { idempotencyKey: "step_1" });
  await taken.promise;
  await database.query("UPDATE orchestrator.messages SET holder = gen_random_uuid()");
  await told.promise;
});

test("a wake-up that was noted beside a delivery whose lease was lost is made all the same", async () => {
  const taken = later();
  const told = later();
  const seen: unknown[] = [];
  const loser = join(async (message) => {
    if (seen.push(message) > 1) return;
    currentDelivery()!.lost.signal.addEventListener("abort", () => told.resolve());
    taken.resolve();
    await told.promise;
  });
  await loser.queue.queue(flow, { runId: "wrun_1" });
  await taken.promise;
  // Another has taken it over, and has dealt with it.
  await database.query("DELETE FROM orchestrator.messages");
  await loser.queue.queue(flow, { runId: "wrun_1" });
  await told.promise;
  await until(() => seen.length === 2);
});

test("what a crash of Postgres undoes of a step that has ended is done again", async () => {
  await database.query("CREATE TABLE progress (step text)");
  const ended = later();
  const crashed = later();
  const flows: unknown[] = [];
  let steps = 0;
  const member = join(async (message, { queueName }: MessageMeta) => {
    if (queueName !== step) return void flows.push(message);
    if (++steps > 1) return;
    // As the engine's last event of a step is stored.
    await database.transaction(async (query) => {
      await query("SET LOCAL synchronous_commit TO off");
      await query("INSERT INTO progress VALUES ('step_1')");
    });
    member.queue.ended("step_1");
    ended.resolve();
    await crashed.promise;
  });
  await member.queue.queue(step, stepOf("step_1"), { idempotencyKey: "step_1" });
  await ended.promise;
  await postgres.restart(undefined, "immediate");
  expect(await database.query("SELECT FROM progress")).toEqual([]);
  crashed.resolve();
  await until(() => flows.length === 1, 20_000);
  expect(flows).toEqual([{ runId: "wrun_1" }]);
  // A replay, which does not find its end, queues it.
  await member.queue.queue(step, stepOf("step_1"), { idempotencyKey: "step_1" });
  await until(() => steps === 2);
});
