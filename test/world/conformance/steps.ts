import { expect } from "vitest";
import { rule, type Rule } from "./rule.ts";
import {
  append,
  bytes,
  createStep,
  end,
  ends,
  history,
  newId,
  newStep,
  refusal,
  rejection,
  runningRun,
  sleep,
  text,
} from "./support.ts";

const result = { result: bytes("result") };
const failure = { error: "broken", stack: "at step" };

/** The life of a step: attempts, retries, ends. */
export const stepRules: Rule[] = [
  rule("step_created makes a pending step of no attempt", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = newId("step");
    const { event, step } = await createStep(world, runId, stepId);
    expect(event).toMatchObject({ eventType: "step_created", correlationId: stepId });
    expect(step).toMatchObject({ runId, stepId, status: "pending", attempt: 0 });
    const stored = await world.steps.get(runId, stepId);
    expect(stored).toMatchObject({ runId, stepId, status: "pending", attempt: 0, specVersion: 3 });
    expect(stored.stepName).toBe("step//./workflows/conformance//act");
    expect(text(stored.input)).toBe("step input");
    expect([stored.startedAt, stored.completedAt, stored.output, stored.retryAfter]).toEqual(
      Array.from({ length: 4 }),
    );
    expect(await world.steps.get(undefined, stepId)).toEqual(stored);
  }),
  rule("step_created conflicts the second time and changes nothing", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = await newStep(world, runId);
    await append(world, runId, "step_started", { correlationId: stepId });
    expect(await refusal(createStep(world, runId, stepId))).toBe("EntityConflictError");
    expect(await world.steps.get(runId, stepId)).toMatchObject({ status: "running", attempt: 1 });
    const types = await history(world, runId);
    expect(types).toEqual(["run_created", "run_started", "step_created", "step_started"]);
  }),
  rule(
    "a step's id is its run's own: another run may use the same",
    async ({ world }) => {
      const [one, two] = [await runningRun(world), await runningRun(world)];
      const stepId = await newStep(world, one);
      await createStep(world, two, stepId);
      await append(world, one, "step_started", { correlationId: stepId });
      expect(await world.steps.get(one, stepId)).toMatchObject({ runId: one, attempt: 1 });
      expect(await world.steps.get(two, stepId)).toMatchObject({ runId: two, attempt: 0 });
    },
    {
      "step-ids-global": async ({ world }) => {
        const [one, two] = [await runningRun(world), await runningRun(world)];
        const stepId = await newStep(world, one);
        expect(await refusal(createStep(world, two, stepId))).toBe("EntityConflictError");
      },
    },
  ),
  rule("step_started runs the step and counts the attempt", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = await newStep(world, runId);
    const first = await append(world, runId, "step_started", { correlationId: stepId });
    expect(first.step).toMatchObject({ status: "running", attempt: 1 });
    expect(first.step!.startedAt).toBeInstanceOf(Date);
    // What the step handler works on is this answer, so the input has to be in it.
    expect(text(first.step!.input)).toBe("step input");
    await sleep(5);
    const second = await append(world, runId, "step_started", { correlationId: stepId });
    expect(second.step!.attempt).toBe(2);
    const stored = await world.steps.get(runId, stepId);
    expect(stored).toMatchObject({ status: "running", attempt: 2 });
    expect(stored.startedAt).toEqual(first.step!.startedAt);
  }),
  rule("step_completed completes the step with its result", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = await newStep(world, runId);
    await append(world, runId, "step_started", { correlationId: stepId });
    const done = { correlationId: stepId, eventData: result };
    const { event, step } = await append(world, runId, "step_completed", done);
    expect(event).toMatchObject({ eventType: "step_completed", correlationId: stepId });
    expect(step!.status).toBe("completed");
    const stored = await world.steps.get(runId, stepId);
    expect(stored).toMatchObject({ status: "completed", attempt: 1 });
    expect(text(stored.output)).toBe("result");
    expect(stored.completedAt).toBeInstanceOf(Date);
  }),
  rule("step_failed fails the step with message and stack", async ({ world }) => {
    const failures = [
      [failure, "broken"],
      [{ error: { message: "inner" }, stack: "at step" }, "inner"],
    ] as const;
    for (const [eventData, message] of failures) {
      const runId = await runningRun(world);
      const stepId = await newStep(world, runId);
      await append(world, runId, "step_started", { correlationId: stepId });
      await append(world, runId, "step_failed", { correlationId: stepId, eventData });
      const stored = await world.steps.get(runId, stepId);
      expect(stored).toMatchObject({ status: "failed", error: { message, stack: "at step" } });
      expect(stored.completedAt).toBeInstanceOf(Date);
    }
  }),
  rule("a step that never started may fail", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = await newStep(world, runId);
    await append(world, runId, "step_failed", { correlationId: stepId, eventData: failure });
    expect(await world.steps.get(runId, stepId)).toMatchObject({ status: "failed", attempt: 0 });
  }),
  rule("an ended step stays as it is", async ({ world }) => {
    for (const [how, eventData] of [
      ["step_completed", result],
      ["step_failed", failure],
    ] as const) {
      const runId = await runningRun(world);
      const stepId = await newStep(world, runId);
      await append(world, runId, "step_started", { correlationId: stepId });
      await append(world, runId, how, { correlationId: stepId, eventData });
      const before = [await world.steps.get(runId, stepId), await history(world, runId)];
      for (const [type, data] of changes) {
        const call = append(world, runId, type, { correlationId: stepId, eventData: data });
        expect(await refusal(call), `${type} after ${how}`).toBe("EntityConflictError");
      }
      expect([await world.steps.get(runId, stepId), await history(world, runId)]).toEqual(before);
    }
  }),
  rule("step_retrying makes the step pending and keeps the error", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = await newStep(world, runId);
    await append(world, runId, "step_started", { correlationId: stepId });
    const retry = { correlationId: stepId, eventData: failure };
    const { step } = await append(world, runId, "step_retrying", retry);
    expect(step!.status).toBe("pending");
    expect(await world.steps.get(runId, stepId)).toMatchObject({
      status: "pending",
      attempt: 1,
      error: { message: "broken", stack: "at step" },
    });
    const again = await append(world, runId, "step_started", { correlationId: stepId });
    expect(again.step).toMatchObject({ status: "running", attempt: 2 });
  }),
  rule("a step that waits for its retry starts too early before it", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = await newStep(world, runId);
    await append(world, runId, "step_started", { correlationId: stepId });
    const retryAfter = new Date(Date.now() + 30_000);
    const eventData = { ...failure, retryAfter };
    await append(world, runId, "step_retrying", { correlationId: stepId, eventData });
    expect((await world.steps.get(runId, stepId)).retryAfter).toEqual(retryAfter);
    const early = await rejection(append(world, runId, "step_started", { correlationId: stepId }));
    expect(early.name).toBe("TooEarlyError");
    // In seconds: the handler hands it back as the message's timeoutSeconds.
    expect(early.retryAfter).toBeGreaterThan(20);
    expect(early.retryAfter).toBeLessThanOrEqual(30);
    expect(await world.steps.get(runId, stepId)).toMatchObject({ status: "pending", attempt: 1 });
    expect((await history(world, runId)).at(-1)).toBe("step_retrying");
  }),
  rule("a step starts once its retry is due, and waits no longer", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = await newStep(world, runId);
    await append(world, runId, "step_started", { correlationId: stepId });
    const eventData = { ...failure, retryAfter: new Date(Date.now() + 200) };
    await append(world, runId, "step_retrying", { correlationId: stepId, eventData });
    await sleep(250);
    const { step } = await append(world, runId, "step_started", { correlationId: stepId });
    expect(step).toMatchObject({ status: "running", attempt: 2 });
    expect((await world.steps.get(runId, stepId)).retryAfter).toBeUndefined();
  }),
  rule("a step that does not exist cannot go on", async ({ world }) => {
    const runId = await runningRun(world);
    for (const [type, eventData] of changes) {
      const call = append(world, runId, type, { correlationId: newId("step"), eventData });
      expect(await refusal(call), type).toBe("WorkflowWorldError");
    }
    expect(await history(world, runId)).toEqual(["run_created", "run_started"]);
  }),
  rule(
    "reading a step or an event that does not exist fails with the engine's error",
    async ({ world }) => {
      const runId = await runningRun(world);
      expect(await refusal(world.steps.get(runId, newId("step")))).toBe("WorkflowWorldError");
      expect(await refusal(world.steps.get(undefined, newId("step")))).toBe("WorkflowWorldError");
      expect(await refusal(world.events.get(runId, newId("evnt")))).toBe("WorkflowWorldError");
    },
    {
      "not-found-plain": async ({ world }) => {
        const runId = await runningRun(world);
        expect(await refusal(world.steps.get(runId, newId("step")))).toBe("Error");
        expect(await refusal(world.events.get(runId, newId("evnt")))).toBe("Error");
      },
    },
  ),
  rule("in an ended run a running step may end, a pending one not start", async ({ world }) => {
    for (const how of Object.keys(ends)) {
      const runId = await runningRun(world);
      const [one, two, pending] = [
        await newStep(world, runId),
        await newStep(world, runId),
        await newStep(world, runId),
      ];
      await append(world, runId, "step_started", { correlationId: one });
      await append(world, runId, "step_started", { correlationId: two });
      await end(world, runId, how);
      await append(world, runId, "step_completed", { correlationId: one, eventData: result });
      await append(world, runId, "step_failed", { correlationId: two, eventData: failure });
      expect((await world.steps.get(runId, one)).status).toBe("completed");
      expect((await world.steps.get(runId, two)).status).toBe("failed");
      const start = append(world, runId, "step_started", { correlationId: pending });
      expect(await refusal(start)).toBe("RunExpiredError");
      expect(await world.steps.get(runId, pending)).toMatchObject({ status: "pending" });
    }
  }),
  rule(
    "in an ended run a step that was never created does not start, as no other does",
    async ({ world }) => {
      const runId = await runningRun(world);
      await end(world, runId, "run_cancelled");
      const start = append(world, runId, "step_started", { correlationId: "step_unmade" });
      expect(await refusal(start)).toBe("RunExpiredError");
    },
    {
      "unmade-step-after-end": async ({ world }) => {
        const runId = await runningRun(world);
        await end(world, runId, "run_cancelled");
        const start = append(world, runId, "step_started", { correlationId: "step_unmade" });
        expect(await refusal(start)).toBe("WorkflowWorldError");
      },
    },
  ),
  rule(
    "in an ended run a pending step cannot fail",
    async ({ world }) => {
      const runId = await runningRun(world);
      const stepId = await newStep(world, runId);
      await end(world, runId, "run_cancelled");
      const fail = append(world, runId, "step_failed", {
        correlationId: stepId,
        eventData: failure,
      });
      expect(await refusal(fail)).toBe("RunExpiredError");
    },
    {
      "pending-step-fails-after-end": async ({ world }) => {
        const runId = await runningRun(world);
        const stepId = await newStep(world, runId);
        await end(world, runId, "run_cancelled");
        await append(world, runId, "step_failed", { correlationId: stepId, eventData: failure });
        expect((await world.steps.get(runId, stepId)).status).toBe("failed");
      },
    },
  ),
];

const changes = [
  ["step_started", {}],
  ["step_completed", result],
  ["step_failed", failure],
  ["step_retrying", failure],
] as const;
