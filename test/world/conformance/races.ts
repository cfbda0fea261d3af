import { expect } from "vitest";
import { rule, type Rule } from "./rule.ts";
import {
  append,
  bytes,
  createHook,
  createStep,
  end,
  ends,
  history,
  log,
  newHook,
  newId,
  newRun,
  newStep,
  race,
  runData,
  runningRun,
} from "./support.ts";

const racers = 50;
const conflicts = Array.from({ length: racers - 1 }, () => "EntityConflictError");

/** Fifty calls at once for what may happen once: one wins, and the log says so once. */
export const raceRules: Rule[] = [
  rule("racing creations of one run: one wins", async ({ world }) => {
    const runId = newId("wrun");
    const { won, lost } = await race(racers, (i) =>
      append(world, runId, "run_created", { eventData: runData({ workflowName: `w${i}` }) }),
    );
    expect(won).toHaveLength(1);
    expect(lost).toEqual(conflicts);
    expect((await world.runs.get(runId)).workflowName).toBe(won[0]!.run!.workflowName);
    expect(await history(world, runId)).toEqual(["run_created"]);
  }),
  rule(
    "racing starts of one run append one run_started",
    async ({ world }) => {
      const runId = await newRun(world);
      const { won, lost } = await race(racers, () => append(world, runId, "run_started"));
      expect(lost).toEqual([]);
      expect(won.map(({ run }) => run!.status)).toEqual(won.map(() => "running"));
      expect(await history(world, runId)).toEqual(["run_created", "run_started"]);
    },
    {
      "racing-run-starts": async ({ world }) => {
        const runId = await newRun(world);
        const { lost } = await race(racers, () => append(world, runId, "run_started"));
        expect(lost).toEqual([]);
        expect((await history(world, runId)).length).toBeGreaterThan(2);
      },
    },
  ),
  rule(
    "racing ends of one run: one wins",
    async ({ world }) => {
      const runId = await runningRun(world);
      const { won, lost } = await race(racers, (i) => end(world, runId, endOf(i)));
      const status = (await world.runs.get(runId)).status;
      const types = (await history(world, runId)).slice(2);
      // A cancellation that comes after the one that won is no conflict: it is idempotent.
      expect(new Set(types)).toEqual(new Set([`run_${status}`]));
      expect(won.length).toBe(status === "cancelled" ? won.length : 1);
      expect(lost).toEqual(lost.map(() => "EntityConflictError"));
      expect(won.length + lost.length).toBe(racers);
    },
    {
      "racing-run-ends": async ({ world }) => {
        const runId = await runningRun(world);
        await race(racers, (i) => end(world, runId, endOf(i)));
        expect(new Set((await history(world, runId)).slice(2)).size).toBeGreaterThan(1);
      },
    },
  ),
  rule(
    "racing creations of one step: one wins",
    async ({ world }) => {
      const runId = await runningRun(world);
      const stepId = newId("step");
      const { won, lost } = await race(racers, () => createStep(world, runId, stepId));
      expect(won).toHaveLength(1);
      expect(lost).toEqual(conflicts);
      expect((await history(world, runId)).slice(2)).toEqual(["step_created"]);
    },
    {
      "racing-creations": async ({ world }) => {
        const runId = await runningRun(world);
        const stepId = newId("step");
        await race(racers, () => createStep(world, runId, stepId));
        expect((await history(world, runId)).length).toBeGreaterThan(3);
      },
    },
  ),
  rule(
    "racing starts of one step: each is an attempt of its own",
    async ({ world }) => {
      const runId = await runningRun(world);
      const stepId = await newStep(world, runId);
      const { won } = await race(racers, () =>
        append(world, runId, "step_started", { correlationId: stepId }),
      );
      const attempts = won.map(({ step }) => step!.attempt).sort((a, b) => a - b);
      expect(attempts).toEqual(Array.from({ length: racers }, (_, i) => i + 1));
      expect((await world.steps.get(runId, stepId)).attempt).toBe(racers);
      expect(await history(world, runId)).toHaveLength(3 + racers);
    },
    {
      "racing-attempts": async ({ world }) => {
        const runId = await runningRun(world);
        const stepId = await newStep(world, runId);
        await race(racers, () => append(world, runId, "step_started", { correlationId: stepId }));
        expect((await world.steps.get(runId, stepId)).attempt).toBeLessThan(racers);
        expect(await history(world, runId)).toHaveLength(3 + racers);
      },
    },
  ),
  rule("racing ends of one step: one wins", async ({ world }) => {
    const runId = await runningRun(world);
    const stepId = await newStep(world, runId);
    await append(world, runId, "step_started", { correlationId: stepId });
    const { won, lost } = await race(racers, (i) =>
      i % 2 === 0
        ? append(world, runId, "step_completed", {
            correlationId: stepId,
            eventData: { result: bytes(String(i)) },
          })
        : append(world, runId, "step_failed", {
            correlationId: stepId,
            eventData: { error: String(i) },
          }),
    );
    expect(won).toHaveLength(1);
    expect(lost).toEqual(conflicts);
    const { status } = await world.steps.get(runId, stepId);
    expect((await history(world, runId)).slice(4)).toEqual([`step_${status}`]);
  }),
  rule("racing creations of one hook: one wins", async ({ world }) => {
    const runId = await runningRun(world);
    const [hookId, token] = [newId("hook"), newId("token")];
    const { won, lost } = await race(racers, () => createHook(world, runId, hookId, token));
    expect(won).toHaveLength(1);
    expect(lost).toEqual(conflicts);
    expect((await history(world, runId)).slice(2)).toEqual(["hook_created"]);
  }),
  rule(
    "racing hooks for one token: one gets it, the others conflict with its run",
    async ({ world }) => {
      const { token, types, logs } = await racingTokens(world);
      expect(types.filter((type) => type === "hook_created")).toHaveLength(1);
      expect(types.filter((type) => type === "hook_conflict")).toHaveLength(racers - 1);
      const owner = (await world.hooks.getByToken(token)).runId;
      const owners = logs.flatMap((event) =>
        event!.eventType === "hook_conflict" ? [event!.eventData.conflictingRunId] : [],
      );
      expect(new Set(owners)).toEqual(new Set([owner]));
    },
  ),
  rule("racing disposals of one hook: one wins", async ({ world }) => {
    const runId = await runningRun(world);
    const { hookId } = await newHook(world, runId);
    const { won, lost } = await race(racers, () =>
      append(world, runId, "hook_disposed", { correlationId: hookId }),
    );
    expect(won).toHaveLength(1);
    for (const name of lost) {
      expect(["EntityConflictError", "HookNotFoundError"]).toContain(name);
    }
    expect((await history(world, runId)).slice(3)).toEqual(["hook_disposed"]);
  }),
  rule(
    "no payload is recorded behind the disposal of its hook",
    async ({ world }) => {
      // No replay can consume one: the run would end as corrupted.
      expect(await lateReceipts(world)).toBe(0);
    },
    {
      "receipts-after-disposal": async ({ world }) => {
        expect(await lateReceipts(world)).toBeGreaterThan(0);
      },
    },
  ),
  rule(
    "racing creations of one wait: one wins",
    async ({ world }) => {
      const runId = await runningRun(world);
      const { won, lost } = await racingWaits(world, runId);
      expect(won).toHaveLength(1);
      expect(lost).toEqual(conflicts);
      expect((await history(world, runId)).slice(2)).toEqual(["wait_created"]);
    },
    {
      "racing-creations": async ({ world }) => {
        const runId = await runningRun(world);
        await racingWaits(world, runId);
        expect((await history(world, runId)).length).toBeGreaterThan(3);
      },
    },
  ),
  rule("racing completions of one wait: one wins", async ({ world }) => {
    const runId = await runningRun(world);
    const correlationId = newId("wait");
    const eventData = { resumeAt: new Date() };
    await append(world, runId, "wait_created", { correlationId, eventData });
    const { won, lost } = await race(racers, () =>
      append(world, runId, "wait_completed", { correlationId }),
    );
    expect(won).toHaveLength(1);
    expect(lost).toEqual(conflicts);
    expect((await history(world, runId)).slice(3)).toEqual(["wait_completed"]);
  }),
  rule("appends to one run at once are all kept", async ({ world }) => {
    const runId = await runningRun(world);
    const { lost } = await race(racers, () => newStep(world, runId));
    expect(lost).toEqual([]);
    const ids = (await log(world, runId)).map((event) => event.eventId);
    expect(new Set(ids).size).toBe(2 + racers);
  }),
];

function endOf(index: number): string {
  return Object.keys(ends)[index % 3]!;
}

function racingWaits(
  world: Parameters<typeof append>[0],
  runId: string,
): Promise<{ won: unknown[]; lost: string[] }> {
  const fields = { correlationId: newId("wait"), eventData: { resumeAt: new Date() } };
  return race(racers, () => append(world, runId, "wait_created", fields));
}

async function racingTokens(world: Parameters<typeof append>[0]) {
  const token = newId("token");
  const runs: string[] = [];
  for (let i = 0; i < racers; i++) {
    runs.push(await newRun(world));
  }
  await race(racers, (i) => createHook(world, runs[i]!, newId("hook"), token));
  const logs = await Promise.all(runs.map(async (runId) => (await log(world, runId)).at(-1)));
  return { token, logs, types: logs.map((event) => event!.eventType) };
}

async function lateReceipts(world: Parameters<typeof append>[0]): Promise<number> {
  let late = 0;
  for (let round = 0; round < 5; round++) {
    const runId = await runningRun(world);
    const { hookId: correlationId } = await newHook(world, runId);
    const eventData = { payload: bytes("x") };
    await race(12, (i) =>
      i === 6
        ? append(world, runId, "hook_disposed", { correlationId })
        : append(world, runId, "hook_received", { correlationId, eventData }),
    );
    const types = await history(world, runId);
    late += types.length - 1 - types.indexOf("hook_disposed");
  }
  return late;
}
