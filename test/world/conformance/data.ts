import { expect } from "vitest";
import { rule, type Rule } from "./rule.ts";
import {
  append,
  bytes,
  createHook,
  dataOf,
  end,
  log,
  newId,
  newRun,
  newStep,
  runData,
  runningRun,
  text,
} from "./support.ts";

const unicode = "żółw 🦊 \u202e ß \u0001 日本語 \\ \" ' `${x}` </script>";
const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i);

/** Data: what goes in comes out, and only on demand. */
export const dataRules: Rule[] = [
  rule("bytes come back as they were, everywhere they may be", async ({ world }) => {
    const runId = await runningRun(world, { input: everyByte });
    const stepId = newId("step");
    const [hookId, token] = [newId("hook"), newId("token")];
    await append(world, runId, "step_created", {
      correlationId: stepId,
      eventData: { stepName: "s", input: everyByte },
    });
    const eventData = { result: everyByte };
    await append(world, runId, "step_completed", { correlationId: stepId, eventData });
    await createHook(world, runId, hookId, token, { metadata: everyByte });
    const received = { correlationId: hookId, eventData: { payload: everyByte } };
    await append(world, runId, "hook_received", received);
    const { metadata } = await world.hooks.getByToken(token);
    await append(world, runId, "run_completed", { eventData: { output: everyByte } });
    const [run, step] = [await world.runs.get(runId), await world.steps.get(runId, stepId)];
    for (const value of [run.input, run.output, step.input, step.output, metadata]) {
      expect(sameBytes(value, everyByte)).toBe(true);
    }
    const stored = (await log(world, runId)).flatMap((event) => {
      const data = dataOf(event) ?? {};
      return Object.values(data).filter((value) => value instanceof Uint8Array);
    });
    expect(stored.map((value) => sameBytes(value, everyByte))).toEqual(
      Array.from({ length: 6 }, () => true),
    );
  }),
  rule("no bytes are bytes, too", async ({ world }) => {
    const runId = await newRun(world, { input: new Uint8Array() });
    expect(text((await world.runs.get(runId)).input)).toBe("");
  }),
  rule("a payload of 4 MB comes back whole", async ({ world }) => {
    const big = Uint8Array.from({ length: 4 * 1024 * 1024 }, (_, i) => (i * 31) ^ (i >> 8));
    const runId = await newRun(world, { input: big });
    expect(sameBytes((await world.runs.get(runId)).input, big)).toBe(true);
    const [created] = await log(world, runId);
    expect(sameBytes(dataOf(created!)!.input, big)).toBe(true);
  }),
  rule("text of any script comes back in names, contexts and errors", async ({ world }) => {
    const executionContext = { [unicode]: { list: [unicode, 1, true, null], deep: { unicode } } };
    const runId = await runningRun(world, { workflowName: unicode, executionContext });
    const stepId = newId("step");
    const step = { stepName: unicode, input: bytes(unicode) };
    await append(world, runId, "step_created", { correlationId: stepId, eventData: step });
    const failed = { error: unicode, stack: unicode };
    await append(world, runId, "step_failed", { correlationId: stepId, eventData: failed });
    const failure = { error: { message: unicode, stack: unicode }, errorCode: unicode };
    await append(world, runId, "run_failed", { eventData: failure });
    expect(await world.runs.get(runId)).toMatchObject({
      workflowName: unicode,
      executionContext,
      error: { message: unicode, stack: unicode, code: unicode },
    });
    const stored = await world.steps.get(runId, stepId);
    expect(stored).toMatchObject({ stepName: unicode, error: { message: unicode } });
    expect(text(stored.input)).toBe(unicode);
    const named = await world.runs.list({ workflowName: unicode });
    expect(named.data.map((run) => run.runId)).toContain(runId);
  }),
  rule("plain values of older versions come back", async ({ world }) => {
    for (const value of ["text", 7, true, [1, "a", { b: [null] }], { a: { b: "c" } }]) {
      const runId = await runningRun(world, { input: value });
      await append(world, runId, "run_completed", { eventData: { output: value } });
      expect(await world.runs.get(runId)).toMatchObject({ input: value, output: value });
    }
  }),
  rule(
    "plain values that count as false come back",
    async ({ world }) => {
      for (const value of [0, "", false]) {
        expect((await completedWith(world, value)).output).toBe(value);
      }
    },
    {
      "falsy-values-lost": async ({ world }) => {
        for (const value of [0, "", false]) {
          expect((await completedWith(world, value)).output).toBeUndefined();
        }
      },
    },
  ),
  rule("what was stored is a copy: neither side can change it", async ({ world }) => {
    const input = bytes("before");
    const executionContext = { key: "before" };
    const runId = await newRun(world, { input, executionContext });
    input.fill(0);
    executionContext.key = "after";
    const read = await world.runs.get(runId);
    expect(text(read.input)).toBe("before");
    expect(read.executionContext).toEqual({ key: "before" });
    (read.input as Uint8Array).fill(0);
    read.executionContext!.key = "after";
    const [event] = await log(world, runId);
    (dataOf(event!)!.input as Uint8Array).fill(0);
    const again = await world.runs.get(runId);
    expect(text(again.input)).toBe("before");
    expect(again.executionContext).toEqual({ key: "before" });
    const [stored] = await log(world, runId);
    expect(text(dataOf(stored!)!.input)).toBe("before");
  }),
  rule("without data, runs and steps lack input and output, and keep the rest", async (subject) => {
    const { world } = subject;
    const workflowName = newId("workflow");
    const runId = await runningRun(world, { workflowName, executionContext: { a: 1 } });
    const stepId = await newStep(world, runId);
    const eventData = { result: bytes("x") };
    await append(world, runId, "step_completed", { correlationId: stepId, eventData });
    await end(world, runId, "run_completed");
    const none = { resolveData: "none" } as const;
    const bare = { input: undefined, output: undefined };
    const run = await world.runs.get(runId, none);
    const { input: _input, output: _output, ...rest } = await world.runs.get(runId);
    expect(run).toEqual({ ...rest, ...bare });
    expect((await world.runs.list({ workflowName, ...none })).data).toEqual([run]);
    const step = await world.steps.get(runId, stepId, none);
    const { input: _in, output: _out, ...kept } = await world.steps.get(runId, stepId);
    expect(step).toEqual({ ...kept, ...bare });
    expect((await world.steps.list({ runId, ...none })).data).toEqual([step]);
    const full = await world.runs.list({ workflowName, resolveData: "all" });
    expect(text(full.data[0]!.input)).toBe("input");
  }),
  rule("without data, events keep their names and lack their payloads", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = await newStep(world, runId);
    const result = { stepName: "kept", result: bytes("x") };
    const done = { correlationId: stepId, eventData: result };
    const { event } = await append(world, runId, "step_completed", done, { resolveData: "none" });
    expect(event).toMatchObject({ eventData: { stepName: "kept" } });
    const { data } = await world.events.list({ runId, resolveData: "none" });
    const bare = data.map(dataOf);
    const { input: _input, ...about } = runData();
    expect(bare).toEqual([
      about,
      undefined,
      { stepName: "step//./workflows/conformance//act" },
      { stepName: "kept" },
    ]);
    const found = { correlationId: stepId, resolveData: "none" } as const;
    expect((await world.events.listByCorrelationId(found)).data).toEqual(data.slice(2));
    const one = await world.events.get(runId, data[0]!.eventId, { resolveData: "none" });
    expect(one).toEqual(data[0]);
  }),
  rule("without data, a hook lacks its metadata", async ({ world }) => {
    const runId = await runningRun(world);
    const hookId = newId("hook");
    await createHook(world, runId, hookId, newId("token"), { metadata: bytes("m") });
    const none = { resolveData: "none" } as const;
    expect((await world.hooks.get(hookId, none)).metadata).toBeUndefined();
    const [hook] = (await world.hooks.list({ runId, ...none })).data;
    expect(hook).toMatchObject({ hookId });
    expect(hook!.metadata).toBeUndefined();
    expect(text((await world.hooks.get(hookId)).metadata)).toBe("m");
  }),
  rule(
    "without data, a hook found by its token lacks its metadata",
    async ({ world }) => {
      expect((await hookByToken(world)).metadata).toBeUndefined();
    },
    {
      "token-data-always": async ({ world }) => {
        expect(text((await hookByToken(world)).metadata)).toBe("m");
      },
    },
  ),
];

async function completedWith(world: Parameters<typeof append>[0], output: unknown) {
  const runId = await runningRun(world);
  await append(world, runId, "run_completed", { eventData: { output } });
  return world.runs.get(runId);
}

async function hookByToken(world: Parameters<typeof append>[0]) {
  const token = newId("token");
  const runId = await runningRun(world);
  await createHook(world, runId, newId("hook"), token, { metadata: bytes("m") });
  return world.hooks.getByToken(token, { resolveData: "none" });
}

/** Faster by far than `toEqual` on megabytes. */
function sameBytes(value: unknown, expected: Uint8Array): boolean {
  return value instanceof Uint8Array && Buffer.compare(value, expected) === 0;
}
