import { expect } from "vitest";
import { rule, type Rule, type World } from "./rule.ts";
import { append, type Created, end, ends, history, newId, refusal, runningRun } from "./support.ts";

/** Waits: each is completed once. The engine has no way to read one, so answers are what counts. */
export const waitRules: Rule[] = [
  rule("wait_created makes a wait until its time", async ({ world }) => {
    const runId = await runningRun(world);
    const resumeAt = new Date(Date.now() + 60_000);
    const { event, wait } = await createWait(world, runId, newId("wait"), resumeAt);
    expect(event).toMatchObject({ eventType: "wait_created", eventData: { resumeAt } });
    expect(wait).toMatchObject({ runId, status: "waiting", resumeAt });
    expect(wait!.completedAt).toBeUndefined();
  }),
  rule("wait_completed completes it", async ({ world }) => {
    const runId = await runningRun(world);
    const waitId = newId("wait");
    const created = await createWait(world, runId, waitId);
    const { event, wait } = await append(world, runId, "wait_completed", { correlationId: waitId });
    expect(event).toMatchObject({ eventType: "wait_completed", correlationId: waitId });
    expect(wait).toMatchObject({ runId, status: "completed", waitId: created.wait!.waitId });
    expect(wait!.completedAt).toBeInstanceOf(Date);
    expect((await history(world, runId)).slice(2)).toEqual(["wait_created", "wait_completed"]);
  }),
  rule("a wait is created once and completed once", async ({ world }) => {
    const runId = await runningRun(world);
    const waitId = newId("wait");
    await createWait(world, runId, waitId);
    expect(await refusal(createWait(world, runId, waitId))).toBe("EntityConflictError");
    await append(world, runId, "wait_completed", { correlationId: waitId });
    const again = append(world, runId, "wait_completed", { correlationId: waitId });
    expect(await refusal(again)).toBe("EntityConflictError");
    expect(await refusal(createWait(world, runId, waitId))).toBe("EntityConflictError");
    expect((await history(world, runId)).slice(2)).toEqual(["wait_created", "wait_completed"]);
  }),
  rule("a wait that does not exist cannot complete", async ({ world }) => {
    const runId = await runningRun(world);
    const waitId = newId("wait");
    const early = append(world, runId, "wait_completed", { correlationId: waitId });
    expect(await refusal(early)).toBe("WorkflowWorldError");
    expect(await history(world, runId)).toEqual(["run_created", "run_started"]);
    // The refusal must leave nothing behind that bars the wait once it does exist.
    await createWait(world, runId, waitId);
    await append(world, runId, "wait_completed", { correlationId: waitId });
  }),
  rule("a wait's id is its run's own", async ({ world }) => {
    const [one, two] = [await runningRun(world), await runningRun(world)];
    const waitId = newId("wait");
    await createWait(world, one, waitId);
    await createWait(world, two, waitId);
    await append(world, one, "wait_completed", { correlationId: waitId });
    const { wait } = await append(world, two, "wait_completed", { correlationId: waitId });
    expect(wait).toMatchObject({ runId: two, status: "completed" });
  }),
  rule("the end of a run ends its waits", async ({ world }) => {
    for (const how of Object.keys(ends)) {
      const runId = await runningRun(world);
      const waitId = newId("wait");
      await createWait(world, runId, waitId);
      await end(world, runId, how);
      const late = append(world, runId, "wait_completed", { correlationId: waitId });
      const refusals = ["WorkflowWorldError", "EntityConflictError", "RunExpiredError"];
      expect(refusals, how).toContain(await refusal(late));
      expect((await history(world, runId)).at(-1)).toBe(how);
    }
  }),
  rule("a wait may be years ahead, or already over", async ({ world }) => {
    const runId = await runningRun(world);
    for (const time of ["2199-12-31T23:59:59.999Z", "2001-01-01T00:00:00.000Z"]) {
      const resumeAt = new Date(time);
      const { wait } = await createWait(world, runId, newId("wait"), resumeAt);
      expect(wait!.resumeAt).toEqual(resumeAt);
    }
  }),
];

function createWait(
  world: World,
  runId: string,
  waitId: string,
  resumeAt: Date = new Date(Date.now() + 60_000),
): Promise<Created> {
  return append(world, runId, "wait_created", { correlationId: waitId, eventData: { resumeAt } });
}
