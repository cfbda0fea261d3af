import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createEmbeddedWorld } from "../../src/world/index.ts";
import { openLmdbStore } from "../../src/world/lmdb-store.ts";
import type { EmbeddedWorld, RunLabels } from "../../src/world/types.ts";
import { violations } from "./invariants.ts";
import { createModel, type Model, type Operation } from "./model.ts";
import { append } from "./support.ts";

const HOUR = 3_600_000;

const run = fc.integer({ min: 0, max: 2 });
const entity = fc.integer({ min: 0, max: 2 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant("event" as const),
      type: fc.constantFrom(
        "run_created",
        "run_started",
        "run_completed",
        "run_failed",
        "run_cancelled",
        "step_created",
        "step_started",
        "step_started",
        "step_completed",
        "step_failed",
        "step_retrying",
        "hook_created",
        "hook_received",
        "hook_disposed",
        "wait_created",
        "wait_completed",
      ),
      run,
      entity,
      /** The token of a hook, the delay of a retry. */
      value: fc.integer({ min: 0, max: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("later" as const) }) },
);

const labels: RunLabels = {
  version: 1,
  of: ({ workflowName, status, output, error }) => [
    workflowName,
    `${status} ${String(output ?? error?.message)}`,
  ],
};

/** What an event is sent as. */
function requestOf({ type, entity, value }: Extract<Operation, { kind: "event" }>, now: number) {
  const correlationId = type.startsWith("run_") ? undefined : `${type.split("_")[0]}${entity}`;
  const data: Record<string, object> = {
    run_created: {
      deploymentId: "d",
      workflowName: `flow${value}`,
      input: new Uint8Array([value]),
    },
    run_completed: { output: value },
    run_failed: { error: { message: `failed ${value}` }, errorCode: "USER_ERROR" },
    step_created: { stepName: "work", input: new Uint8Array([value]) },
    step_completed: { result: value },
    step_failed: { error: `failed ${value}` },
    step_retrying: {
      error: `again ${value}`,
      ...(value === 1 && { retryAfter: new Date(now + HOUR) }),
    },
    hook_created: { token: `token${value}` },
    hook_received: { payload: value },
    wait_created: { resumeAt: new Date(now + HOUR) },
  };
  return { correlationId, eventData: data[type] };
}

/** The World's answer to an event in the model's words. */
async function answer(
  world: EmbeddedWorld,
  runId: string,
  event: Extract<Operation, { kind: "event" }>,
  now: number,
): Promise<string> {
  try {
    const { correlationId, eventData } = requestOf(event, now);
    const result = await append(world, runId, event.type, {
      ...(correlationId !== undefined && { correlationId: `${runId}_${correlationId}` }),
      ...(eventData !== undefined && { eventData }),
    });
    if (result.event?.eventType === "hook_conflict") return "hook_conflict";
    return "stored";
  } catch (error) {
    return (error as Error).name;
  }
}

/** The World's records in the model's words. */
async function observed(world: EmbeddedWorld, runIds: readonly string[]): Promise<Model["state"]> {
  const state: Model["state"] = { runs: {}, steps: {}, hooks: {}, log: {} };
  const { data: runs } = await world.runs.list({ pagination: { limit: 1000 } });
  for (const { runId, status } of runs) {
    const index = runIds.indexOf(runId);
    state.runs[index] = status;
    const { data: steps } = await world.steps.list({ runId, pagination: { limit: 1000 } });
    for (const { stepId, status: stepStatus, attempt } of steps) {
      state.steps[`${index}/${stepId.slice(-1)}`] = `${stepStatus} ${attempt}`;
    }
    const { data: events } = await world.events.list({ runId, pagination: { limit: 1000 } });
    state.log[index] = events.map(({ eventType }) => eventType);
  }
  const { data: hooks } = await world.hooks.list({ pagination: { limit: 1000 } });
  for (const { hookId, runId, token } of hooks) {
    state.hooks[`${runIds.indexOf(runId)}/${hookId.slice(-1)}`] = token;
    expect((await world.hooks.getByToken(token)).hookId).toBe(hookId);
  }
  return state;
}

test("any sequence of events leads to what a plain model says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 60 }), async (operations) => {
      const dataDir = await mkdtemp(join(tmpdir(), "orchestrator-model-"));
      let now = Date.now();
      const open = (): EmbeddedWorld =>
        createEmbeddedWorld({ dataDir, labels, now: () => now, maxRetries: () => 3 });
      const runIds = [0, 1, 2].map((index) => ulidAt(now, index));
      const model = createModel();
      let world = open();
      try {
        for (const next of operations) {
          if (next.kind === "event") {
            const expected = model.apply(next, now);
            expect(await answer(world, runIds[next.run]!, next, now), next.type).toBe(expected);
          } else if (next.kind === "later") now += HOUR;
          else {
            await world.close();
            model.restart();
            world = open();
          }
        }
        expect(await observed(world, runIds)).toEqual(model.state);
        await world.close();
        const store = openLmdbStore({ dataDir, readOnly: false });
        expect(violations(store, labels.of)).toEqual([]);
        await store.close();
      } finally {
        await world.close();
        await rm(dataDir, { recursive: true, force: true });
      }
    }),
    { numRuns: 120, endOnFailure: false },
  );
}, 120_000);

/** A run's id of a time, so that the World takes it. */
function ulidAt(time: number, index: number): string {
  const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  let text = "";
  for (let rest = time, digit = 0; digit < 10; digit++, rest = Math.floor(rest / 32)) {
    text = alphabet[rest % 32] + text;
  }
  return `wrun_${text}${String(index).padStart(16, "0")}`;
}
