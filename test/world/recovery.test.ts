import { expect, test } from "vitest";
import type { EmbeddedWorld } from "../../src/world/types.ts";
import {
  append,
  collect,
  createRun,
  createStep,
  FLOW,
  folder,
  openWorld,
  send,
  STEP,
  until,
} from "./support.ts";

/** A World with a run whose step has been started, and that goes away without the step's end. */
async function cutOff(dataDir: string, starts = 1): Promise<string> {
  const world = await openWorld({ dataDir });
  const runId = await createRun(world);
  await append(world, runId, "run_started");
  await createStep(world, runId, "step1");
  for (let count = 0; count < starts; count++) {
    await append(world, runId, "step_started", { correlationId: "step1" });
    if (count < starts - 1) {
      await append(world, runId, "step_retrying", {
        correlationId: "step1",
        eventData: { error: "no" },
      });
    }
  }
  await world.close();
  return runId;
}

async function startStep(world: EmbeddedWorld, runId: string): Promise<number> {
  const { step } = await append(world, runId, "step_started", { correlationId: "step1" });
  return step!.attempt;
}

test("a step cut off by a crash starts again as the same attempt, however often", async () => {
  const dataDir = await folder();
  const runId = await cutOff(dataDir, 2);
  for (let crash = 0; crash < 3; crash++) {
    const world = await openWorld({ dataDir, maxRetries: () => 1 });
    expect(await startStep(world, runId)).toBe(2);
    await world.close();
  }
});

test("a step that must not be retried counts its start, so that the engine fails it unrun", async () => {
  const dataDir = await folder();
  const runId = await cutOff(dataDir);
  const world = await openWorld({ dataDir, maxRetries: () => 0 });
  // One more than `maxRetries + 1`.
  expect(await startStep(world, runId)).toBe(2);
});

test("a step that must not be retried runs after a crash if it had not begun", async () => {
  const dataDir = await folder();
  const first = await openWorld({ dataDir });
  const runId = await createRun(first);
  await append(first, runId, "run_started");
  await createStep(first, runId, "step1");
  await first.close();
  const world = await openWorld({ dataDir, maxRetries: () => 0 });
  const attempts: number[] = [];
  collect(world, FLOW);
  collect(world, STEP, async () => {
    attempts.push(await startStep(world, runId));
    return undefined;
  });
  await world.start();
  await until(() => attempts.length === 1);
  expect(attempts).toEqual([1]);
});

test("within one process every start counts", async () => {
  const world = await openWorld({ maxRetries: () => 3 });
  const runId = await createRun(world);
  await append(world, runId, "run_started");
  await createStep(world, runId, "step1");
  expect([await startStep(world, runId), await startStep(world, runId)]).toEqual([1, 2]);
});

test("every run that has not ended is woken exactly once, and what was in flight comes again", async () => {
  const dataDir = await folder();
  const first = await openWorld({ dataDir });
  const pending = await createRun(first);
  const running = await createRun(first);
  const ended = await createRun(first);
  for (const runId of [running, ended]) await append(first, runId, "run_started");
  await append(first, ended, "run_completed", { eventData: { output: 1 } });
  await createStep(first, running, "step1");
  collect(first, STEP, () => new Promise(() => undefined));
  collect(first, FLOW, async () => undefined);
  await first.start();
  await send(
    first,
    `${STEP}work`,
    { workflowRunId: running, stepId: "step1" },
    { idempotencyKey: "step1" },
  );
  await until(() => first.stats().delivering === 1);
  await append(first, running, "step_started", { correlationId: "step1" });
  await first.close();

  const world = await openWorld({ dataDir });
  const flows = collect(world, FLOW);
  const steps = collect(world, STEP);
  await world.start();
  await until(() => flows.length === 2 && steps.length === 1 && world.stats().delivering === 0);
  expect(flows.map(({ payload }) => payload.runId).sort()).toEqual([pending, running].sort());
  expect(steps[0]).toMatchObject({ attempt: 2, payload: { stepId: "step1" } });
});

test("a sleeping run sleeps on over a restart", async () => {
  const dataDir = await folder();
  let now = Date.now();
  const first = await openWorld({ dataDir, now: () => now });
  const slept = collect(first, FLOW, async () => ({ timeoutSeconds: 3600 }));
  await first.start();
  const runId = await createRun(first);
  await send(first, `${FLOW}flow`, { runId });
  await until(() => slept.length === 1 && first.stats().delivering === 0);
  await first.close();
  const second = await openWorld({ dataDir, now: () => now });
  const early = collect(second, FLOW);
  await second.start();
  expect(second.stats()).toMatchObject({ ready: 0, nextDue: now + 3_600_000 });
  await second.close();
  expect(early).toEqual([]);
  now += 3_600_000;
  const third = await openWorld({ dataDir, now: () => now });
  const woken = collect(third, FLOW);
  await third.start();
  await until(() => woken.length === 1);
});

test("ids rise although the clock is set back between two processes", async () => {
  const dataDir = await folder();
  let now = Date.now();
  const first = await openWorld({ dataDir, now: () => now });
  const runId = await createRun(first);
  await append(first, runId, "run_started");
  await first.close();
  now -= 3_600_000;
  const world = await openWorld({ dataDir, now: () => now });
  await append(world, runId, "run_completed", { eventData: { output: 1 } });
  const { data } = await world.events.list({ runId });
  expect(data.map(({ eventType }) => eventType)).toEqual([
    "run_created",
    "run_started",
    "run_completed",
  ]);
});
