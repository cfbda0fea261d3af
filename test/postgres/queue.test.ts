import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { MessageHandler, MessageMeta } from "../../src/core/queue-requests.ts";
import type { Database } from "../../src/postgres/database.ts";
import { currentDelivery } from "../../src/postgres/deliveries.ts";
import { createMessages, type Messages } from "../../src/postgres/messages.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { createPresence } from "../../src/postgres/presence.ts";
import { createQueue, type PostgresQueue } from "../../src/postgres/queue.ts";
import { until } from "../_support/api.ts";
import { startNode } from "../_support/process.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { bundledChild } from "../world/bundled-child.ts";
import { later, testDatabases } from "./support.ts";

const { dir, child } = bundledChild(new URL("queue-child.ts", import.meta.url));
const databases = testDatabases();
let postgres: TestPostgres;
let database: Database;
const members: Member[] = [];

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  database = databases.open({ url: postgres.url });
  await migrate(database);
});
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.leave()));
  await database.query("TRUNCATE orchestrator.messages");
});
afterAll(async () => {
  await databases.close();
  await postgres?.stop();
});

/** What stands for a process: it shares nothing with others but the database. */
interface Member {
  queue: PostgresQueue;
  leave(): Promise<void>;
}

function join(
  handler: MessageHandler,
  limits = { flows: 8, steps: 8 },
  around: (messages: Messages) => Messages = (messages) => messages,
): Member {
  const own = databases.open({ url: postgres.url });
  const presence = createPresence(own);
  const queue = createQueue({
    database: own,
    messages: around(createMessages(own, presence.id)),
    limits,
    retryDelay: () => 50,
  });
  queue.createQueueHandler("__wkf_", handler);
  presence.start();
  queue.start();
  const member = {
    queue,
    async leave() {
      await queue.stop();
      presence.stop();
    },
  };
  members.push(member);
  return member;
}

const flow = "__wkf_workflow_w";
const step = "__wkf_step_s";
const stepOf = (stepId: string, workflowRunId = "wrun_1"): object => ({
  workflowName: "w",
  workflowRunId,
  workflowStartedAt: 1,
  stepId,
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
