import { expect } from "vitest";
import { type Preparation, restartRule, type RestartRule } from "./rule.ts";
import { send, stepMessage } from "./messages.ts";
import {
  append,
  bytes,
  createHook,
  createStep,
  end,
  history,
  log,
  newHook,
  newId,
  newRun,
  newStep,
  refusal,
  runData,
  runningRun,
  sleep,
  until,
} from "./support.ts";

/** What a restart leaves: everything that was acknowledged. */
export const durabilityRules: RestartRule[] = [
  restartRule("runs, steps, hooks, waits and events outlive a restart", async (subject) => {
    const { world: before } = subject;
    const runId = await runningRun(before, { executionContext: { a: 1 } });
    const stepId = await newStep(before, runId);
    await append(before, runId, "step_started", { correlationId: stepId });
    const { hookId, token } = await newHook(before, runId);
    const waitId = newId("wait");
    const eventData = { resumeAt: new Date(Date.now() + 1000) };
    await append(before, runId, "wait_created", { correlationId: waitId, eventData });
    const ended = await runningRun(before);
    await end(before, ended, "run_failed");
    const views = async () => [
      await subject.world.runs.get(runId),
      await subject.world.runs.get(ended),
      await subject.world.steps.get(runId, stepId),
      await subject.world.hooks.getByToken(token),
      await log(subject.world, runId),
    ];
    const expected = await views();
    return async ({ world }) => {
      expect(await views()).toEqual(expected);
      const again = [
        () => append(world, runId, "run_created", { eventData: runData() }),
        () => createStep(world, runId, stepId),
        () => createHook(world, runId, hookId, token),
        () => append(world, runId, "wait_created", { correlationId: waitId, eventData }),
        () => end(world, ended, "run_completed"),
      ];
      for (const call of again) {
        expect(await refusal(call())).toBe("EntityConflictError");
      }
      const { event } = await createHook(world, await runningRun(world), newId("hook"), token);
      expect(event!.eventType).toBe("hook_conflict");
      const done = await append(world, runId, "wait_completed", { correlationId: waitId });
      expect(done.wait!.status).toBe("completed");
    };
  }),
  restartRule("a step that was running counts its next start", startAgain(2), {
    "attempts-spared": startAgain(1),
  }),
  restartRule("a log goes on behind its cursor after a restart", async (subject) => {
    const runId = await runningRun(subject.world);
    const { cursor } = await subject.world.events.list({ runId });
    return async ({ world }) => {
      await newStep(world, runId);
      const { data } = await world.events.list({ runId, pagination: { cursor: cursor! } });
      expect(data.map((event) => event.eventType)).toEqual(["step_created"]);
      expect(await history(world, runId)).toEqual(["run_created", "run_started", "step_created"]);
    };
  }),
  restartRule("a stream goes on after a restart", async (subject) => {
    const [name, runId] = [newId("strm"), await runningRun(subject.world)];
    await subject.world.writeToStreamMulti!(name, runId, ["0", "1"]);
    return async ({ world }) => {
      expect(await world.getStreamInfo(name, runId)).toEqual({ tailIndex: 1, done: false });
      await world.writeToStream(name, runId, bytes("2"));
      await world.closeStream(name, runId);
      const read: string[] = [];
      for await (const chunk of await world.readFromStream(name, 1)) {
        read.push(new TextDecoder().decode(chunk));
      }
      expect(read).toEqual(["1", "2"]);
      expect(await world.listStreamsByRunId(runId)).toEqual([name]);
    };
  }),
  restartRule("a start queues the runs that have not ended", async (subject) => {
    const workflowName = newId("conformance");
    const pending = await newRun(subject.world, { workflowName });
    const running = await runningRun(subject.world, { workflowName });
    const ended = await runningRun(subject.world, { workflowName });
    await end(subject.world, ended, "run_completed");
    const woken = new Set<string>();
    subject.handle(`__wkf_workflow_${workflowName}`, async (message) => {
      woken.add((message as { runId: string }).runId);
    });
    return async () => {
      await until(() => woken.size === 2);
      await sleep(200);
      expect(woken).toEqual(new Set([pending, running]));
    };
  }),
  restartRule("a queued message outlives a restart", queueBeforeRestart(true), {
    "queue-in-memory": queueBeforeRestart(false),
  }),
];

/** Leaves a running step, and starts it again. */
function startAgain(attempt: number): Preparation {
  return async ({ world: before }) => {
    const runId = await runningRun(before);
    const correlationId = await newStep(before, runId);
    await append(before, runId, "step_started", { correlationId });
    return async ({ world }) => {
      const { step } = await append(world, runId, "step_started", { correlationId });
      expect(step!.attempt).toBe(attempt);
      const again = await append(world, runId, "step_started", { correlationId });
      expect(again.step!.attempt).toBe(attempt + 1);
    };
  };
}

/** Leaves a message that waits for its next delivery, and sees whether that comes. */
function queueBeforeRestart(survives: boolean): Preparation {
  return async (subject) => {
    const queueName = `__wkf_step_${newId("conformance")}`;
    let deliveries = 0;
    let restarted = false;
    let survived = false;
    subject.handle(queueName, async () => {
      deliveries += 1;
      survived = restarted;
      return restarted ? undefined : { timeoutSeconds: 1 };
    });
    await send(subject, queueName, stepMessage());
    await until(() => deliveries > 0);
    // The answer that asks for the next delivery has to reach the World before it is closed.
    await sleep(200);
    return async () => {
      restarted = true;
      if (survives) {
        await until(() => survived);
      }
      await sleep(2500);
      expect(survived).toBe(survives);
    };
  };
}
