import { hydrateResourceIO, observabilityRevivers } from "workflow/observability";
import { setWorld } from "workflow/runtime";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { callbackToken } from "../../src/core/callback.ts";
import { callbackWorkflowId } from "../../src/core/run-workflow.ts";
import {
  type CallbackParts,
  createCallbacks,
  type ServerCallbacks,
} from "../../src/runtime/callbacks.ts";
import type { StoredRun, World } from "../../src/runtime/engine-world.ts";
import { createHookSweep, type Hook, type HookSweep } from "../../src/runtime/hooks.ts";
import { createInFlight } from "../../src/runtime/in-flight.ts";
import { claimingStarts } from "../../src/runtime/starts.ts";
import type { EmbeddedWorld } from "../../src/world/index.ts";
import { expectedSignature, startReceiver } from "../_support/receiver.ts";
import { append, createRun, openWorld, until } from "../world/support.ts";

let world: EmbeddedWorld;
let notes: string[];

beforeEach(async () => {
  world = await openWorld();
  setWorld(world as unknown as World);
  notes = [];
});

function callbacksOf(parts: Partial<CallbackParts> = {}): ServerCallbacks {
  const callbacks = createCallbacks({
    world: () => world as unknown as World,
    starts: claimingStarts(world),
    options: { allow: ["127.0.0.1"] },
    env: {},
    newsOf: async () => "going",
    inFlight: createInFlight(),
    note: (message) => notes.push(message),
    ...parts,
  });
  onTestFinished(callbacks.close);
  return callbacks;
}

async function registered(): Promise<{ runId: string; input: unknown }[]> {
  const { data } = await world.runs.list({ workflowName: callbackWorkflowId, resolveData: "all" });
  return (data as StoredRun[]).map((run) => {
    const { input } = hydrateResourceIO(run, observabilityRevivers) as { input: [unknown] };
    return { runId: run.runId, input: input[0] };
  });
}

/** A run, and what waits for its end as the workflow does; `resumed` counts its awakenings. */
async function waiting(id?: string): Promise<{ runId: string; resumed: () => Promise<number> }> {
  const runId = id ?? (await createRun(world));
  const waiter = await createRun(world, callbackWorkflowId);
  await append(world, waiter, "run_started");
  await append(world, waiter, "hook_created", {
    correlationId: `hook_${runId}`,
    eventData: { token: callbackToken(runId) },
  });
  return {
    runId,
    async resumed() {
      const { data } = await world.events.list({ runId: waiter, pagination: { limit: 100 } });
      return data.filter(({ eventType }) => eventType === "hook_received").length;
    },
  };
}

/** What sweeps for these callbacks alone; it is stopped with the test. */
function sweepOf(
  callbacks: ServerCallbacks,
  parts: Partial<Parameters<typeof createHookSweep>[0]> = {},
): HookSweep {
  const sweep = createHookSweep({
    world: () => world as unknown as World,
    wake: callbacks.wakeDue,
    note: (message) => notes.push(message),
    ...parts,
  });
  onTestFinished(sweep.stop);
  return sweep;
}

test("a run's callback is registered once, also under the run's own id", async () => {
  const starts = claimingStarts(world);
  const ownId = { id: "nightly", fingerprint: "a" };
  const run = await starts.start({ workflowId: "workflow//flow", args: [], ownId });
  const runId = run.kind === "started" ? run.runId : "";
  const callbacks = callbacksOf();
  const callback = { url: "http://127.0.0.1:1/a", secret: "a secret of sixteen" };
  await callbacks.register(runId, callback);
  await callbacks.register("nightly", { url: "http://127.0.0.1:1/other" });
  const [only, ...others] = await registered();
  expect(only!.input).toEqual({ runId, ...callback });
  expect(others).toEqual([]);
  // A caller's own key of that name is another one.
  const idempotency = { key: `callback:${runId}`, fingerprint: "" };
  const outcome = await starts.start({ workflowId: "workflow//flow", args: [], idempotency });
  expect(outcome.kind).toBe("started");
});

test("a run's end wakes who waits for it, and nobody else", async () => {
  const callbacks = callbacksOf();
  const [one, other] = [await waiting(), await waiting()];
  callbacks.ended(one.runId);
  callbacks.ended(await createRun(world));
  await callbacks.close();
  expect([await one.resumed(), await other.resumed()]).toEqual([1, 0]);
  expect(notes).toEqual([]);
});

test("a start wakes who waits for a run that has ended, or has been removed", async () => {
  const callbacks = callbacksOf();
  const removed = await waiting("wrun_00000000000000000000000000");
  const [ended, going] = [await waiting(), await waiting()];
  await append(world, ended.runId, "run_cancelled");
  await sweepOf(callbacks).start();
  expect(await Promise.all([ended, going, removed].map(({ resumed }) => resumed()))).toEqual([
    1, 0, 1,
  ]);
});

test("one that cannot be woken keeps nobody else waiting, and is told of", async () => {
  const callbacks = callbacksOf();
  const waiters = [await waiting(), await waiting()];
  for (const { runId } of waiters) await append(world, runId, "run_cancelled");
  let first = true;
  const failing = async (hook: Hook): Promise<void> => {
    if (!first) return callbacks.wakeDue(hook);
    first = false;
    throw new Error("out of reach");
  };
  await sweepOf(callbacks, { wake: failing }).start();
  const resumed = await Promise.all(waiters.map((waiter) => waiter.resumed()));
  expect(resumed.toSorted()).toEqual([0, 1]);
  expect(notes).toEqual([expect.stringMatching(/^run wrun_\w+ waits .*: out of reach$/)]);
});

test("it is looked again and again for what another process has left", async () => {
  const callbacks = callbacksOf();
  const { runId, resumed } = await waiting();
  await sweepOf(callbacks, { every: 10 }).start();
  expect(await resumed()).toBe(0);
  await append(world, runId, "run_cancelled");
  await until(async () => (await resumed()) > 0);
});

test("who looks again while it is being looked finds what has been left behind the look", async () => {
  const callbacks = callbacksOf();
  const { runId, resumed } = await waiting();
  const sweep = sweepOf(callbacks, {
    async wake(hook) {
      await callbacks.wakeDue(hook);
      if ((await resumed()) > 0) return;
      await append(world, runId, "run_cancelled");
      again ??= sweep.again();
    },
  });
  let again: Promise<void> | undefined;
  await sweep.start();
  await again;
  expect(await resumed()).toBe(1);
});

test("a delivery reads where to and with which secret from the callback's own record", async () => {
  const receiver = await startReceiver(({ path }, response) => {
    response.writeHead(path === "/gone" ? 410 : path === "/busy" ? 503 : 204).end();
  });
  onTestFinished(receiver.close);
  const secret = "a secret of sixteen";
  const standard = "another one of sixteen";
  const callbacks = callbacksOf({ env: { ORCHESTRATOR_WEBHOOK_SECRET: standard } });
  const outcomes: Record<string, number | null> = {};
  for (const [path, own] of [
    ["/own?token=hush", { secret }],
    ["/standard", {}],
    ["/gone", {}],
    ["/busy", {}],
  ] as const) {
    const runId = await createRun(world);
    await callbacks.register(runId, { url: receiver.url + path, ...own });
    const { runId: id } = (await registered()).find(
      ({ input }) => (input as { runId: string }).runId === runId,
    )!;
    outcomes[path] = await callbacks.deliver(id, { runId, body: "{}" }, 1);
  }
  expect(outcomes).toEqual({
    "/own?token=hush": null,
    "/standard": null,
    "/gone": null,
    "/busy": expect.any(Number),
  });
  const signatures = receiver.deliveries.map(({ headers }) => headers["webhook-signature"]);
  const keys = [secret, standard, standard, standard].map((text) => Buffer.from(text));
  expect(signatures).toEqual(
    receiver.deliveries.map((delivery, index) => expectedSignature(keys[index]!, delivery)),
  );
  expect(notes).toEqual([
    expect.stringMatching(
      /^callback of run wrun_\w+ to 127\.0\.0\.1:\d+ failed \(attempt 1 of 9\): HTTP 410; given up$/,
    ),
    expect.stringMatching(/ failed \(attempt 1 of 9\): HTTP 503; again in [56] s$/),
  ]);
});

test("the last attempt that fails is noted, and there is no other", async () => {
  const receiver = await startReceiver();
  await receiver.close();
  const callbacks = callbacksOf();
  const runId = await createRun(world);
  await callbacks.register(runId, { url: receiver.url });
  const [callback] = await registered();
  expect(await callbacks.deliver(callback!.runId, { runId, body: "{}" }, 9)).toBeNull();
  expect(notes).toEqual([expect.stringMatching(/attempt 9 of 9.*ECONNREFUSED.*; given up$/)]);
});

test("a run that has been removed is noted", async () => {
  const callbacks = callbacksOf({ newsOf: async () => "gone" });
  expect(await callbacks.read("wrun_1")).toBe("gone");
  expect(notes).toEqual(["callback of run wrun_1 given up: the run has been removed"]);
});

test.each([
  [{ ORCHESTRATOR_WEBHOOK_SECRET: "hush" }, "ORCHESTRATOR_WEBHOOK_SECRET must have 16 to 500"],
  [
    { ORCHESTRATOR_CALLBACK_HOSTS: "https://a.test" },
    "ORCHESTRATOR_CALLBACK_HOSTS: entry 1 must be",
  ],
])("%j is refused at the start, by its name and without what it says", (env, message) => {
  const { configure } = callbacksOf({ env, options: {} });
  expect(configure).toThrow(message);
  if ("ORCHESTRATOR_WEBHOOK_SECRET" in env) expect(configure).not.toThrow("hush");
});

test("a callback's own secret is checked when it is given", () => {
  const { assertAllowed } = callbacksOf();
  expect(() => assertAllowed({ url: "http://127.0.0.1", secret: "whsec_no! base! 64!" })).toThrow(
    "callback.secret must be base64 after whsec_",
  );
});
