import { expect } from "vitest";
import { rule, type Rule } from "./rule.ts";
import {
  append,
  createHook,
  createStep,
  end,
  ends,
  history,
  log,
  newId,
  newRun,
  refusal,
  runData,
  runningRun,
} from "./support.ts";

/** Versions, identity and time of events. */
export const versionRules: Rule[] = [
  rule("a run of a version newer than the World's is not supported", async ({ world }) => {
    const created = await append(world, null, "run_created", {
      specVersion: 99,
      eventData: runData(),
    });
    const runId = created.run!.runId;
    const calls = [
      () => append(world, runId, "run_started"),
      ...Object.keys(ends).map((how) => () => end(world, runId, how)),
      () => createStep(world, runId, newId("step")),
      () => createHook(world, runId, newId("hook"), newId("token")),
    ];
    for (const call of calls) {
      expect(await refusal(call())).toBe("RunNotSupportedError");
    }
    expect(await history(world, runId)).toEqual(["run_created"]);
  }),
  rule("a run of the first version can be cancelled, without an event", async ({ world }) => {
    const runId = await legacyRun(world);
    const { event, run } = await append(world, runId, "run_cancelled");
    expect(event).toBeUndefined();
    expect(run!.status).toBe("cancelled");
    expect((await world.runs.get(runId)).status).toBe("cancelled");
    expect(await history(world, runId)).toEqual(["run_created"]);
  }),
  rule("a run of the first version records payloads and waits, nothing else", async ({ world }) => {
    const runId = await legacyRun(world);
    await refusal(append(world, runId, "run_started"));
    await refusal(createStep(world, runId, newId("step")));
    await refusal(end(world, runId, "run_completed"));
    await append(world, runId, "wait_completed", { correlationId: newId("wait") });
    const eventData = { payload: { plain: true } };
    await append(world, runId, "hook_received", { correlationId: newId("hook"), eventData });
    expect(await history(world, runId)).toEqual(["run_created", "wait_completed", "hook_received"]);
    expect((await world.runs.get(runId)).status).toBe("pending");
  }),
  rule("a run keeps the version it was created with", async ({ world }) => {
    const created = await append(world, null, "run_created", {
      specVersion: 2,
      eventData: runData(),
    });
    const runId = created.run!.runId;
    await append(world, runId, "run_started");
    await end(world, runId, "run_completed");
    expect((await world.runs.get(runId)).specVersion).toBe(2);
  }),
  rule("the World names the highest version it supports, and its deployment", async ({ world }) => {
    expect(world.specVersion).toBe(3);
    const deployment = await world.getDeploymentId();
    expect(deployment).toMatch(/\S/);
    expect(await world.getDeploymentId()).toBe(deployment);
  }),
  rule("events have ids that sort in the order they were appended", async ({ world }) => {
    const runId = await runningRun(world);
    for (let i = 0; i < 10; i++) {
      await createStep(world, runId, newId("step"));
    }
    const events = await log(world, runId);
    const ids = events.map((event) => event.eventId);
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(12);
    const times = events.map((event) => event.createdAt.getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(Math.abs(times.at(-1)! - Date.now())).toBeLessThan(60_000);
    for (const event of events) {
      expect(event).toMatchObject({ runId, specVersion: 3 });
      expect(await world.events.get(runId, event.eventId)).toEqual(event);
    }
  }),
  rule(
    "an event's id is a ULID behind evnt_",
    async ({ world }) => {
      const [event] = await log(world, await newRun(world));
      expect(event!.eventId).toMatch(/^evnt_[0-9A-HJKMNP-TV-Z]{26}$/);
    },
    {
      "event-id-prefix": async ({ world }) => {
        const [event] = await log(world, await newRun(world));
        expect(event!.eventId).toMatch(/^wevt_[0-9A-HJKMNP-TV-Z]{26}$/);
      },
    },
  ),
  rule("an event is found only in its own run", async ({ world }) => {
    const [one, two] = [await newRun(world), await newRun(world)];
    const [event] = await log(world, one);
    await refusal(world.events.get(two, event!.eventId));
  }),
  rule("a create that has seen the latest event is never refused as stale", async ({ world }) => {
    const runId = await runningRun(world);
    const latest = (await log(world, runId)).at(-1)!;
    const stateUpdatedAt = latest.createdAt.getTime();
    const fields = { correlationId: newId("step"), eventData: { stepName: "s", input: "" } };
    await append(world, runId, "step_created", fields, { stateUpdatedAt });
    await append(world, runId, "run_completed", { eventData: {} }, { stateUpdatedAt: Date.now() });
    expect((await world.runs.get(runId)).status).toBe("completed");
  }),
];

async function legacyRun(world: Parameters<typeof append>[0]): Promise<string> {
  const created = await append(world, null, "run_created", {
    specVersion: 1,
    eventData: runData(),
  });
  return created.run!.runId;
}
