import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { MessageHandler, MessageMeta } from "../../src/core/queue-requests.ts";
import type { Database } from "../../src/postgres/database.ts";
import { currentDelivery } from "../../src/postgres/deliveries.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { until } from "../_support/api.ts";
import { startNode } from "../_support/process.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { bundledChild } from "../world/bundled-child.ts";
import { flow, step, stepOf, testMembers } from "./members.ts";
import { later, testDatabases } from "./support.ts";

const { dir, child } = bundledChild(new URL("queue-child.ts", import.meta.url));
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

async function rows(): Promise<{ name: string; holder: string | null }[]> {
  return database.query("SELECT name, holder FROM orchestrator.messages ORDER BY name");
}

test("a step that several processes queue again and again is executed by one at a time, and once", async () => {
  const inside = new Map<string, number>();
  const taken: string[] = [];
  let most = 0;
  const execute = (who: string) => async (message: unknown) => {
    const { stepId } = message as { stepId: string };
    taken.push(`${stepId} ${who}`);
    inside.set(stepId, (inside.get(stepId) ?? 0) + 1);
    most = Math.max(most, inside.get(stepId)!);
    await sleep(300);
    inside.set(stepId, inside.get(stepId)! - 1);
  };
  const [one, other] = [join(execute("one")), join(execute("other"))];
  const ids = Array.from({ length: 12 }, (_, n) => `step_${n}`);
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      ids.flatMap((id) =>
        [one, other].map(({ queue }) => queue.queue(step, stepOf(id), { idempotencyKey: id })),
      ),
    );
  }
  await until(async () => (await rows()).length === 0);
  expect(taken.map((text) => text.split(" ")[0]).sort()).toEqual([...ids].sort());
  expect(most).toBe(1);
});

test("replays of a run follow one another over all processes, and no wake-up gets lost", async () => {
  let inside = 0;
  let most = 0;
  const begins: number[] = [];
  const replay = async (): Promise<void> => {
    begins.push(performance.now());
    most = Math.max(most, ++inside);
    await sleep(30);
    inside--;
  };
  const both = [join(replay), join(replay)];
  for (let n = 0; n < 10; n++) {
    await Promise.all(both.map(({ queue }) => queue.queue(flow, { runId: "wrun_1" })));
    const queuedAt = performance.now();
    await until(() => begins.some((time) => time > queuedAt - 30));
    await sleep(n * 5);
  }
  const last = performance.now();
  await both[1]!.queue.queue(flow, { runId: "wrun_1" });
  await until(async () => (await rows()).length === 0);
  expect(begins.at(-1)).toBeGreaterThan(last);
  expect(most).toBe(1);
});

test("a wake-up brings with it what it carries, whoever holds the run", async () => {
  const seen: unknown[] = [];
  const held = later();
  const replay = async (message: unknown): Promise<void> => {
    if (seen.push(message) === 1) await held.promise;
  };
  const holder = join(replay);
  await holder.queue.queue(flow, { runId: "wrun_1" });
  await until(() => seen.length === 1);
  const other = join(replay);
  const runInput = { input: new Uint8Array([0, 255]), deploymentId: "d", workflowName: "w" };
  await other.queue.queue(flow, { runId: "wrun_1", runInput });
  await other.queue.queue(flow, { runId: "wrun_1" });
  held.resolve();
  await until(() => seen.length === 2);
  expect(seen[1]).toEqual({ runId: "wrun_1", runInput });
});

test("a process with no place leaves a message to one that has", async () => {
  const held = later();
  const busy = join(async () => held.promise, { flows: 1, steps: 1 });
  await busy.queue.queue(step, stepOf("step_1"), { idempotencyKey: "step_1" });
  const seen: unknown[] = [];
  join(async (message) => void seen.push(message));
  // Told at once: its own look comes no sooner than in 1.5 s.
  await sleep(200);
  const sentAt = performance.now();
  await busy.queue.queue(step, stepOf("step_2"), { idempotencyKey: "step_2" });
  await until(() => seen.length === 1);
  expect(performance.now() - sentAt).toBeLessThan(1000);
  held.resolve();
});

test("what a process had when it was killed goes to another, as a delivery more", async () => {
  const running = startNode([child, postgres.url], dir);
  await running.printed(/started/);
  const sender = join(async () => undefined);
  await sender.leave();
  await sender.queue.queue(step, stepOf("step_1"), { idempotencyKey: "step_1" });
  await running.printed(/taken 1/);
  const seen: MessageMeta[] = [];
  const cuts: unknown[] = [];
  join(async (_message, meta) => {
    cuts.push(currentDelivery()?.claim.cut);
    seen.push(meta);
  });
  await sleep(100);
  await running.stop("SIGKILL");
  const killedAt = performance.now();
  await until(() => seen.length === 1, 15_000);
  expect(performance.now() - killedAt).toBeLessThan(8000);
  expect([seen[0]!.attempt, cuts]).toEqual([2, [true]]);
});

test("deliveries under way outlive a restart of Postgres: they are made once, and acknowledged after it", async () => {
  const restarted = later();
  const seen: MessageMeta[] = [];
  const execute: MessageHandler = async (_message, meta: MessageMeta) => {
    if (meta.queueName !== step) return;
    seen.push(meta);
    await restarted.promise;
  };
  const [one] = [join(execute), join(execute)];
  const ids = Array.from({ length: 8 }, (_, n) => `step_${n}`);
  for (const id of ids) await one!.queue.queue(step, stepOf(id), { idempotencyKey: id });
  await until(() => seen.length === 8);
  await postgres.restart();
  restarted.resolve();
  await until(async () => (await rows()).length === 0, 20_000);
  expect(seen.map(({ attempt }) => attempt)).toEqual(ids.map(() => 1));
});

test("a delivery that fails for lack of Postgres comes again as the same one", async () => {
  const seen: number[] = [];
  const cut = later();
  const member = join(async (_message, { attempt }) => {
    if (seen.push(attempt) > 1) return;
    cut.resolve();
    // Cut off by the restart, as the engine's own statements are.
    const client = await database.pool.connect();
    client.on("error", () => undefined);
    try {
      await client.query("SELECT pg_sleep(30)");
    } finally {
      client.release(true);
    }
  });
  await member.queue.queue(step, stepOf("step_1"), { idempotencyKey: "step_1" });
  await cut.promise;
  await sleep(100);
  await postgres.restart();
  await until(() => seen.length === 2, 20_000);
  expect(seen).toEqual([1, 1]);
});
