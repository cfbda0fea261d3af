import { expect } from "vitest";
import { rule, type Rule } from "./rule.ts";
import {
  append,
  bytes,
  createHook,
  createStep,
  dataOf,
  end,
  ends,
  history,
  log,
  newId,
  newRun,
  refusal,
  runData,
  runningRun,
  text,
} from "./support.ts";

const fields = {
  workflowName: "workflow//./w//named",
  executionContext: { traceCarrier: { a: "b" } },
};

const hour = 3_600_000;

/** The life of a run: what each event makes of it, and what may not happen to it. */
export const runRules: Rule[] = [
  rule("run_created makes a pending run and, without an id, gives it one", async ({ world }) => {
    const before = Date.now() - 1000;
    const { event, run } = await append(world, null, "run_created", { eventData: runData(fields) });
    expect(run!.runId).toMatch(/^wrun_[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(event).toMatchObject({ eventType: "run_created", runId: run!.runId, specVersion: 3 });
    const stored = await world.runs.get(run!.runId);
    expect(stored).toMatchObject({
      ...fields,
      status: "pending",
      deploymentId: "dpl_conformance",
      specVersion: 3,
    });
    expect(text(stored.input)).toBe("input");
    expect(stored.createdAt).toBeInstanceOf(Date);
    expect(stored.createdAt.getTime()).toBeGreaterThan(before);
    expect([stored.startedAt, stored.completedAt, stored.output, stored.error]).toEqual(
      Array.from({ length: 4 }),
    );
    expect(await history(world, run!.runId)).toEqual(["run_created"]);
  }),
  rule("run_created under an own id keeps it, and conflicts the second time", async ({ world }) => {
    const runId = newId("wrun");
    const { run } = await append(world, runId, "run_created", { eventData: runData() });
    expect(run!.runId).toBe(runId);
    const again = append(world, runId, "run_created", { eventData: runData(fields) });
    expect(await refusal(again)).toBe("EntityConflictError");
    expect((await world.runs.get(runId)).workflowName).toBe(runData().workflowName);
    expect(await history(world, runId)).toEqual(["run_created"]);
  }),
  rule("an own id that is no ULID, or of another day, is refused", async ({ world }) => {
    const [old, future] = [newId("wrun", Date.now() - 48 * hour), newId("wrun", Date.now() + hour)];
    for (const runId of ["wrun_not-a-ulid", old, future]) {
      const call = append(world, runId, "run_created", { eventData: runData() });
      expect(await refusal(call), runId).toBe("WorkflowWorldError");
      expect(await refusal(world.runs.get(runId)), runId).toBe("WorkflowRunNotFoundError");
    }
  }),
  rule("only run_created goes without a run id", async ({ world }) => {
    await refusal(append(world, null, "run_started"));
    await refusal(append(world, "", "run_cancelled"));
  }),
  rule("run_started makes the run running", async ({ world }) => {
    const runId = await newRun(world);
    const { event, run } = await append(world, runId, "run_started");
    expect(run).toMatchObject({ runId, status: "running" });
    expect(run!.startedAt).toBeInstanceOf(Date);
    expect(event).toMatchObject({ eventType: "run_started", runId });
    expect(await world.runs.get(runId)).toMatchObject({ status: "running" });
    expect(await history(world, runId)).toEqual(["run_created", "run_started"]);
  }),
  rule("run_started a second time changes nothing and returns the run", async ({ world }) => {
    const runId = await newRun(world);
    const first = await append(world, runId, "run_started");
    const second = await append(world, runId, "run_started");
    expect(second.run).toMatchObject({ runId, status: "running" });
    expect(text(second.run!.input)).toBe("input");
    expect(second.run!.startedAt).toEqual(first.run!.startedAt);
    expect(await history(world, runId)).toEqual(["run_created", "run_started"]);
  }),
  rule("run_started hands over the log so far, and a cursor behind it", async ({ world }) => {
    const runId = await newRun(world);
    const { events, cursor, hasMore } = await append(world, runId, "run_started");
    expect(events).toEqual(await log(world, runId));
    expect(events!.map((event) => event.eventType)).toEqual(["run_created", "run_started"]);
    expect(hasMore).toBe(false);
    await createStep(world, runId, newId("step"));
    const rest = await world.events.list({ runId, pagination: { cursor: cursor! } });
    expect(rest.data.map((event) => event.eventType)).toEqual(["step_created"]);
  }),
  rule("run_started with a run's data creates the run that is missing", async ({ world }) => {
    const runId = newId("wrun");
    const { run } = await append(world, runId, "run_started", { eventData: runData(fields) });
    expect(run).toMatchObject({ runId, status: "running", ...fields });
    expect(text((await world.runs.get(runId)).input)).toBe("input");
    const events = Object.fromEntries(
      (await log(world, runId)).map((event) => [event.eventType, dataOf(event)]),
    );
    expect(events.run_created).toMatchObject(fields);
    // The data belong to run_created alone: a second copy would double every run's storage.
    expect(events).toEqual({ run_created: events.run_created, run_started: undefined });
    const late = append(world, runId, "run_created", { eventData: runData() });
    expect(await refusal(late)).toBe("EntityConflictError");
  }),
  rule(
    "a run that run_started creates is created before it is started",
    async ({ world }) => {
      const runId = newId("wrun");
      await append(world, runId, "run_started", { eventData: runData() });
      expect(await history(world, runId)).toEqual(["run_created", "run_started"]);
    },
    {
      "started-before-created": async ({ world }) => {
        const runId = newId("wrun");
        await append(world, runId, "run_started", { eventData: runData() });
        expect(await history(world, runId)).toEqual(["run_started", "run_created"]);
      },
    },
  ),
  rule("run_started with data leaves an existing run's own alone", async ({ world }) => {
    const runId = await newRun(world);
    const data = { ...runData(fields), input: bytes("other") };
    const { run, event } = await append(world, runId, "run_started", { eventData: data });
    expect(run!.workflowName).toBe(runData().workflowName);
    expect(dataOf(event!)).toBeUndefined();
    expect(text((await world.runs.get(runId)).input)).toBe("input");
    expect(await history(world, runId)).toEqual(["run_created", "run_started"]);
  }),
  rule("run_completed completes the run with its output", async ({ world }) => {
    const runId = await runningRun(world);
    const { run } = await end(world, runId, "run_completed");
    expect(run).toMatchObject({ runId, status: "completed" });
    const stored = await world.runs.get(runId);
    expect(stored.status).toBe("completed");
    expect(text(stored.output)).toBe("output");
    expect(stored.completedAt).toBeInstanceOf(Date);
    expect(stored.startedAt).toBeInstanceOf(Date);
    expect(stored.error).toBeUndefined();
  }),
  rule("run_failed fails the run with message, stack and code", async ({ world }) => {
    const failures = [
      [{ error: { message: "boom", stack: "at x" }, errorCode: "USER_ERROR" }, "boom"],
      [{ error: "plain" }, "plain"],
      [{ error: {} }, "Unknown error"],
    ] as const;
    for (const [eventData, message] of failures) {
      const runId = await runningRun(world);
      await append(world, runId, "run_failed", { eventData });
      const stored = await world.runs.get(runId);
      expect(stored).toMatchObject({ status: "failed", error: { message } });
      expect(stored.completedAt).toBeInstanceOf(Date);
      if (message === "boom") {
        expect(stored.error).toMatchObject({ stack: "at x", code: "USER_ERROR" });
      }
    }
  }),
  rule("run_cancelled cancels a pending and a running run", async ({ world }) => {
    for (const runId of [await newRun(world), await runningRun(world)]) {
      const { run } = await append(world, runId, "run_cancelled");
      expect(run!.status).toBe("cancelled");
      const stored = await world.runs.get(runId);
      expect(stored.status).toBe("cancelled");
      expect(stored.completedAt).toBeInstanceOf(Date);
      expect((await history(world, runId)).at(-1)).toBe("run_cancelled");
    }
  }),
  rule("cancelling a cancelled run is no error and changes nothing of it", async ({ world }) => {
    const runId = await runningRun(world);
    await append(world, runId, "run_cancelled");
    const before = await world.runs.get(runId);
    const { run } = await append(world, runId, "run_cancelled");
    expect(run!.status).toBe("cancelled");
    expect(await world.runs.get(runId)).toEqual(before);
  }),
  rule("an ended run stays as it is", async ({ world }) => {
    for (const how of Object.keys(ends)) {
      const runId = await runningRun(world);
      await end(world, runId, how);
      const before = [await world.runs.get(runId), await history(world, runId)];
      expect(await refusal(append(world, runId, "run_started")), how).toBe("RunExpiredError");
      const late = Object.keys(ends).filter((type) => type !== how || how !== "run_cancelled");
      for (const type of late) {
        expect(await refusal(end(world, runId, type)), type).toBe("EntityConflictError");
      }
      for (const begin of beginnings.slice(1)) {
        expect(await refusal(begin(world, runId)), how).toBe("EntityConflictError");
      }
      expect([await world.runs.get(runId), await history(world, runId)]).toEqual(before);
    }
  }),
  rule("a run that does not exist is not found", async ({ world }) => {
    const runId = newId("wrun");
    expect(await refusal(world.runs.get(runId))).toBe("WorkflowRunNotFoundError");
    expect(await history(world, runId)).toEqual([]);
  }),
  rule(
    "the end of a run that does not exist is refused",
    async ({ world }) => {
      for (const how of Object.keys(ends)) {
        const runId = newId("wrun");
        expect(await refusal(end(world, runId, how)), how).toBe("WorkflowRunNotFoundError");
        expect(await history(world, runId)).toEqual([]);
      }
    },
    {
      "ends-without-run": async ({ world }) => {
        for (const how of Object.keys(ends)) {
          const runId = newId("wrun");
          expect((await end(world, runId, how)).run).toBeUndefined();
          expect(await history(world, runId)).toEqual([how]);
        }
      },
    },
  ),
  rule(
    "whatever would begin in a run that does not exist is refused",
    async ({ world }) => {
      for (const begin of beginnings) {
        const runId = newId("wrun");
        expect(await refusal(begin(world, runId))).toBe("WorkflowRunNotFoundError");
        expect(await history(world, runId)).toEqual([]);
      }
    },
    {
      "begins-without-run": async ({ world }) => {
        for (const begin of beginnings) {
          const runId = newId("wrun");
          await begin(world, runId);
          expect(await history(world, runId)).toHaveLength(1);
        }
      },
    },
  ),
];

const beginnings: ((world: Parameters<typeof newRun>[0], runId: string) => Promise<unknown>)[] = [
  (world, runId) => append(world, runId, "run_started"),
  (world, runId) => createStep(world, runId, newId("step")),
  (world, runId) => createHook(world, runId, newId("hook"), newId("token")),
  (world, runId) =>
    append(world, runId, "wait_created", {
      correlationId: newId("wait"),
      eventData: { resumeAt: new Date() },
    }),
];
