import { expect, test } from "vitest";
import {
  append,
  collect,
  createRun,
  createStep,
  FLOW,
  folder,
  openWorld,
  send,
  sleep,
  STEP,
  until,
} from "./support.ts";

test("a run's wake-ups are one while it waits for its turn", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  await Promise.all(Array.from({ length: 20 }, () => send(world, `${FLOW}flow`, { runId })));
  const seen = collect(world, FLOW);
  await world.start();
  await until(() => seen.length === 1);
  await sleep(50);
  expect(seen).toHaveLength(1);
});

test("a wake-up that comes during a replay is delivered after it, and replays do not overlap", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  let inside = 0;
  let most = 0;
  const seen = collect(world, FLOW, async () => {
    most = Math.max(most, ++inside);
    await sleep(30);
    inside--;
    return undefined;
  });
  await world.start();
  await send(world, `${FLOW}flow`, { runId });
  await until(() => inside === 1);
  await Promise.all(Array.from({ length: 5 }, () => send(world, `${FLOW}flow`, { runId })));
  await until(() => seen.length === 2 && inside === 0);
  await sleep(50);
  expect({ deliveries: seen.length, most }).toEqual({ deliveries: 2, most: 1 });
});

test("a wake-up adds nothing to a replay that has been given the whole log", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const seen = collect(world, FLOW, async () => {
    const { events } = await append(world, runId, "run_started");
    expect(events!.length).toBeGreaterThan(0);
    await send(world, `${FLOW}flow`, { runId });
    return undefined;
  });
  await world.start();
  await send(world, `${FLOW}flow`, { runId });
  await until(() => seen.length === 1 && world.stats().delivering === 0);
  await sleep(50);
  expect(seen).toHaveLength(1);
});

test("an event that a replay has not been given wakes the run once more", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  await append(world, runId, "run_started");
  await createStep(world, runId, "step1");
  collect(world, STEP);
  const lengths: number[] = [];
  const seen = collect(world, FLOW, async () => {
    const { events } = await append(world, runId, "run_started");
    lengths.push(events!.length);
    if (lengths.length === 1) {
      await append(world, runId, "step_completed", {
        correlationId: "step1",
        eventData: { result: 1 },
      });
    }
    return undefined;
  });
  await world.start();
  await send(world, `${FLOW}flow`, { runId });
  await until(() => seen.length === 2 && world.stats().delivering === 0);
  expect(lengths).toEqual([3, 4]);
});

test("what a wake-up carries is not lost in another", async () => {
  const world = await openWorld();
  const runId = `wrun_${"0".repeat(26)}`;
  const runInput = {
    input: new Uint8Array([7]),
    deploymentId: "d",
    workflowName: "flow",
    specVersion: 3,
  };
  await send(world, `${FLOW}flow`, { runId, runInput });
  await send(world, `${FLOW}flow`, { runId });
  const seen = collect(world, FLOW);
  await world.start();
  await until(() => seen.length === 1);
  expect(seen[0]!.payload).toEqual({ runId, runInput });
});

test("a delayed wake-up comes at its time beside one that comes now, also over a restart", async () => {
  const dataDir = await folder();
  const first = await openWorld({ dataDir });
  const runId = "wrun_elsewhere";
  await send(first, `${FLOW}flow`, { runId }, { delaySeconds: 0.3 });
  await first.close();
  const world = await openWorld({ dataDir });
  const times: number[] = [];
  const began = Date.now();
  collect(world, FLOW, async () => {
    times.push(Date.now() - began);
    return undefined;
  });
  await world.start();
  await send(world, `${FLOW}flow`, { runId });
  await until(() => times.length === 2);
  expect(times[0]).toBeLessThan(250);
  expect(times[1]).toBeGreaterThan(200);
});

test("a message due in years is stored and waits without a timer that overflows", async () => {
  let now = Date.now();
  const dataDir = await folder();
  const world = await openWorld({ dataDir, now: () => now });
  const seen = collect(world, STEP);
  await world.start();
  const years = 40 * 365 * 24 * 3600;
  await send(world, `${STEP}work`, { stepId: "s" }, { delaySeconds: years });
  await sleep(30);
  expect(seen).toHaveLength(0);
  expect(world.stats().nextDue).toBe(now + years * 1000);
  await world.close();
  now += years * 1000;
  const later = await openWorld({ dataDir, now: () => now });
  const delivered = collect(later, STEP);
  await later.start();
  await until(() => delivered.length === 1);
});

test("the steps of a run that execute at once are limited, those of others are not held up", async () => {
  const world = await openWorld({ stepsPerRun: 3 });
  const inside = new Map<string, number>();
  const most = new Map<string, number>();
  const seen = collect(world, STEP, async ({ payload }) => {
    const { workflowRunId: runId } = payload;
    inside.set(runId, (inside.get(runId) ?? 0) + 1);
    most.set(runId, Math.max(most.get(runId) ?? 0, inside.get(runId)!));
    await sleep(10);
    inside.set(runId, inside.get(runId)! - 1);
    return undefined;
  });
  await world.start();
  for (let index = 0; index < 12; index++) {
    for (const runId of ["one", "two"]) {
      const stepId = `step${index}`;
      void send(world, `${STEP}work`, { workflowRunId: runId, stepId }, { idempotencyKey: stepId });
    }
  }
  await until(() => seen.length === 24 && world.stats().delivering === 0);
  expect([...most.values()]).toEqual([3, 3]);
});

test("a step whose key is queued or executing is dropped, one whose step has ended too", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  await append(world, runId, "run_started");
  await createStep(world, runId, "step1");
  let release!: () => void;
  const gate = new Promise<void>((resolve) => (release = resolve));
  collect(world, FLOW);
  const seen = collect(world, STEP, async () => {
    await gate;
    return undefined;
  });
  const message = { workflowRunId: runId, stepId: "step1" };
  const again = (): Promise<unknown> =>
    send(world, `${STEP}work`, message, { idempotencyKey: "step1" });
  await again();
  await world.start();
  await until(() => seen.length === 1);
  await again();
  await append(world, runId, "step_completed", {
    correlationId: "step1",
    eventData: { result: 1 },
  });
  await again();
  release();
  await until(() => world.stats().delivering === 0);
  await sleep(30);
  expect(seen).toHaveLength(1);
});

test("a handler that fails is called again with a rising attempt, until it gives up", async () => {
  const world = await openWorld({ retryDelay: (attempt) => Math.min(attempt, 2) });
  const seen = collect(world, STEP, async ({ attempt }) => {
    if (attempt <= 48) throw new Error("on purpose");
    return undefined;
  });
  const printed = console.error;
  console.error = () => undefined;
  try {
    await world.start();
    await send(world, `${STEP}work`, { stepId: "s" });
    await until(() => seen.length === 49 && world.stats().delivering === 0, 30_000);
  } finally {
    console.error = printed;
  }
  expect(seen.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 49 }, (_, i) => i + 1));
});

test("postponing alone never reaches the attempt at which the engine gives up", async () => {
  const world = await openWorld();
  const seen = collect(world, FLOW, async () =>
    seen.length < 80 ? { timeoutSeconds: 0 } : undefined,
  );
  await world.start();
  const runId = await createRun(world);
  await send(world, `${FLOW}flow`, { runId });
  await until(() => seen.length === 80, 30_000);
  expect(seen.slice(0, 3).map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(Math.max(...seen.map(({ attempt }) => attempt))).toBeLessThan(48);
});

test("an event's message is delivered although nobody queues it", async () => {
  const world = await openWorld();
  const seen = collect(world, FLOW);
  await world.start();
  const runId = await createRun(world);
  await until(() => seen.length === 1);
  expect(seen[0]!.payload).toEqual({ runId });
});

test("a message waits for its handler", async () => {
  const world = await openWorld();
  await world.start();
  await send(world, `${STEP}work`, { stepId: "s" });
  await sleep(20);
  expect(world.stats().ready).toBe(1);
  const seen = collect(world, STEP);
  await until(() => seen.length === 1);
});

test("a fetch-like handler gets the engine's HTTP form, bytes included, and is the choice where it says so", async () => {
  const world = await openWorld();
  const seen: unknown[] = [];
  const handle = world.createQueueHandler(STEP as never, async (payload, meta) => {
    seen.push([payload, meta]);
    return { timeoutSeconds: 0 };
  });
  let requests = 0;
  world.registerHandler(
    STEP,
    async (request) => {
      requests++;
      const response = await handle(request);
      return requests === 1 ? response : Response.json({ ok: true });
    },
    { always: true },
  );
  await world.start();
  const { messageId } = await send(world, `${STEP}work`, {
    stepId: "s",
    input: new Uint8Array([9]),
  });
  await until(() => seen.length === 2);
  const meta = { queueName: `${STEP}work`, messageId };
  expect(seen).toEqual([
    [
      { stepId: "s", input: new Uint8Array([9]) },
      { ...meta, attempt: 1 },
    ],
    [
      { stepId: "s", input: new Uint8Array([9]) },
      { ...meta, attempt: 2 },
    ],
  ]);
  const refused = await handle(new Request("http://localhost/", { method: "POST", body: "{}" }));
  expect(refused.status).toBe(400);
});

test("a queue's name must have a prefix of the engine's", async () => {
  const world = await openWorld();
  await expect(send(world, "work", {})).rejects.toThrow("Invalid queue name: work");
});
