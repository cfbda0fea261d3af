import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { registerStepFunction } from "workflow/internal/private";
import type { Database } from "../../src/postgres/database.ts";
import { createStorage } from "../../src/postgres/storage.ts";
import { createStoragePool } from "../../src/postgres/transactions.ts";
import { assemblePostgresWorld } from "../../src/runtime/postgres-world.ts";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import {
  append,
  bytes,
  createStep,
  end,
  history,
  log,
  newId,
  newRun,
  newStep,
  runningRun,
} from "../world/conformance/support.ts";
import { testDatabases } from "./support.ts";

type Assembled = ReturnType<typeof assemblePostgresWorld>;

const databases = testDatabases();
const opened: Assembled[] = [];
let postgres: TestPostgres;
let database: Database;

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  database = databases.open({ url: postgres.url });
});
afterEach(() => Promise.all(opened.splice(0).map(({ close }) => close())));
afterAll(async () => {
  await databases.close();
  await postgres?.stop();
});

async function open(): Promise<Assembled> {
  const one = assemblePostgresWorld({ WORKFLOW_POSTGRES_URL: postgres.url });
  opened.push(one);
  return one;
}

async function start(): Promise<Assembled> {
  const one = await open();
  await one.start();
  return one;
}

const queueOf = (stepName: string): string => `__wkf_step_${stepName}`;

test("what the engine stores as several statements is stored whole or not at all", async () => {
  const { world } = await start();
  const runId = await runningRun(world);
  const stepId = await newStep(world, runId);
  await append(world, runId, "step_started", { correlationId: stepId });
  const pool = createStoragePool(database.pool);
  const storage = createStorage(pool.pool);
  const completed = { correlationId: stepId, eventData: { result: bytes("x") } };
  const died = pool.inTransaction("", async () => {
    await append(storage as never, runId, "step_completed", completed);
    // In a transaction of the engine's own.
    await newStep(storage as never, runId);
    throw new Error("the process dies here");
  });
  await expect(died).rejects.toThrow("dies here");
  expect((await world.steps.get(runId, stepId)).status).toBe("running");
  expect(await history(world, runId)).toHaveLength(4);
  await append(world, runId, "step_completed", completed);
  expect((await history(world, runId)).at(-1)).toBe("step_completed");
});

test("the engine's own client that listens never connects", async () => {
  await start();
  const listening = "SELECT 1 FROM pg_stat_activity WHERE query ILIKE 'listen workflow%'";
  await sleep(300);
  expect(await database.query(listening)).toEqual([]);
});

test("events are stored once each while Postgres is restarted, and nothing fails", async () => {
  const { world } = await start();
  const runIds = await Promise.all(Array.from({ length: 20 }, () => runningRun(world)));
  const stepIds: string[] = [];
  const over = new AbortController();
  const chains = runIds.map(async (runId) => {
    while (!over.signal.aborted) {
      const correlationId = await newStep(world, runId);
      await append(world, runId, "step_started", { correlationId });
      const eventData = { result: bytes("x") };
      await append(world, runId, "step_completed", { correlationId, eventData });
      stepIds.push(correlationId);
    }
    await end(world, runId, "run_completed");
  });
  await until(() => stepIds.length > 20);
  await postgres.restart();
  const before = stepIds.length;
  await until(() => stepIds.length > before + 40, 20_000);
  over.abort();
  await Promise.all(chains);
  for (const runId of runIds) {
    const { data } = await world.events.list({ runId, pagination: { limit: 1000 } });
    const types = data.map(({ eventType }) => eventType);
    const whole = (types.length - 3) / 3;
    expect(types).toEqual(
      [
        "run_created",
        "run_started",
        ...Array.from({ length: whole }, () => ["step_created", "step_started", "step_completed"]),
        "run_completed",
      ].flat(),
    );
  }
}, 60_000);

test("an event of a process whose clock is behind waits until it is behind the last one", async () => {
  const { world } = await start();
  const runId = await runningRun(world);
  // As a process stored it whose clock is 300 ms ahead.
  const ahead = newId("wevt", Date.now() + 300);
  await database.query(
    `INSERT INTO workflow.workflow_events (id, run_id, type, correlation_id, spec_version)
     VALUES ($1, $2, 'hook_disposed', 'hook_x', 3)`,
    [ahead, runId],
  );
  await Promise.all([newStep(world, runId), newStep(world, runId)]);
  const types = (await log(world, runId)).map(({ eventType }) => eventType);
  expect(types.slice(2)).toEqual(["hook_disposed", "step_created", "step_created"]);
});

test("a step that a process did not get to end starts elsewhere as the same attempt, unless it must not be retried", async () => {
  const attempts: Record<string, number[]> = { often: [], once: [] };
  registerStepFunction(
    "often",
    Object.assign(async () => undefined, { maxRetries: 3 }),
  );
  registerStepFunction(
    "once",
    Object.assign(async () => undefined, { maxRetries: 0 }),
  );
  const executor = ({ world }: Assembled, ends: boolean): void => {
    for (const stepName of Object.keys(attempts)) {
      world.createQueueHandler(queueOf(stepName) as never, async (message) => {
        const { workflowRunId, stepId } = message as { workflowRunId: string; stepId: string };
        const { step } = await append(world, workflowRunId, "step_started", {
          correlationId: stepId,
        });
        attempts[stepName]!.push(step!.attempt);
        if (!ends) await new Promise(() => undefined);
      });
    }
  };
  const first = await open();
  executor(first, false);
  await first.start();
  const runId = await runningRun(first.world);
  for (const stepName of Object.keys(attempts)) {
    const stepId = newId("step");
    const eventData = { stepName, input: bytes("x") };
    await append(first.world, runId, "step_created", { correlationId: stepId, eventData });
    const message = { workflowName: "w", workflowRunId: runId, workflowStartedAt: 1, stepId };
    await first.world.queue(queueOf(stepName) as never, message, { idempotencyKey: stepId });
  }
  await until(() => attempts.often!.length + attempts.once!.length === 2);
  await first.close();
  const second = await open();
  executor(second, true);
  await second.start();
  await until(() => attempts.often!.length + attempts.once!.length === 4);
  expect(attempts).toEqual({ often: [1, 1], once: [1, 2] });
});

test("a run and its first wake-up are stored together, and a run that has ended leaves no message", async () => {
  const { world } = await start();
  const messagesOf = (runId: string): Promise<unknown[]> =>
    database.query("SELECT name FROM orchestrator.messages WHERE run_id = $1", [runId]);
  // Nobody handles its queue, so the message stays.
  const runId = await newRun(world);
  expect(await messagesOf(runId)).toEqual([{ name: "wake" }]);
  await createStep(world, runId, newId("step"));
  await end(world, runId, "run_cancelled");
  expect(await messagesOf(runId)).toEqual([]);
});

test("open runs without any message are woken at a start, and no others", async () => {
  const first = await start();
  const workflowName = newId("recovery");
  const [lost, waiting, ended] = await Promise.all(
    Array.from({ length: 3 }, () => runningRun(first.world, { workflowName })),
  );
  await end(first.world, ended!, "run_completed");
  await database.query("DELETE FROM orchestrator.messages WHERE run_id = $1", [lost]);
  await database.query(
    "UPDATE orchestrator.messages SET name = 'step-x', due = now() + interval '1 hour' WHERE run_id = $1",
    [waiting],
  );
  await first.close();
  const second = await open();
  const woken: string[] = [];
  second.world.createQueueHandler(`__wkf_workflow_${workflowName}` as never, async (message) => {
    woken.push((message as { runId: string }).runId);
  });
  await second.start();
  await until(() => woken.length === 1);
  await sleep(300);
  expect(woken).toEqual([lost]);
});

test("a World closes although its Postgres is away, and does not end the process", async () => {
  const away = await start();
  await runningRun(away.world);
  await postgres.restart(async () => {
    const began = performance.now();
    await away.close();
    expect(performance.now() - began).toBeLessThan(4000);
  });
});
