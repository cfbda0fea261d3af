import type { EmbeddedWorld, EventResult } from "../../src/world/types.ts";

/** What starts runs on a World. */
export interface SmallEngine {
  start(key: string): Promise<{ runId: string }>;
}

/** Steps of each run. */
const STEPS = 3;

/**
 * Does with a World what the engine does: replays a run at each wake-up, creates and queues its steps, executes them,
 * and ends it. Every run also has a hook, a wait and a stream. `stored` hears of each event whose storing was acknowledged.
 */
export function driveEngine(
  world: EmbeddedWorld,
  stored: (runId: string, eventId: string) => void = () => undefined,
): SmallEngine {
  async function append(runId: string, request: object): Promise<EventResult> {
    const result = await world.events.create(runId, request as never);
    if (result.event) stored(runId, result.event.eventId);
    return result;
  }
  /** Storing what may be there already, as after a crash in the middle of it. */
  async function ensure(runId: string, request: object): Promise<void> {
    await append(runId, request).catch((error: Error) => {
      if (error.name !== "EntityConflictError") throw error;
    });
  }
  const wake = (runId: string): Promise<unknown> =>
    world.queue("__wkf_workflow_small" as never, { runId });

  world.createQueueHandler("__wkf_workflow_" as never, async (payload) => {
    const { runId } = payload as { runId: string };
    let events;
    try {
      ({ events } = await append(runId, { eventType: "run_started" }));
    } catch (error) {
      if ((error as Error).name === "RunExpiredError") return;
      throw error;
    }
    const done = new Set(
      events!.flatMap((event) => (event.eventType === "step_completed" ? event.correlationId : [])),
    );
    if (done.size === STEPS) {
      await append(runId, { eventType: "run_completed", eventData: { output: done.size } });
      return;
    }
    await ensure(runId, {
      eventType: "hook_created",
      correlationId: `hook_${runId}`,
      eventData: { token: `token-${runId}` },
    });
    await ensure(runId, {
      eventType: "wait_created",
      correlationId: "wait",
      eventData: { resumeAt: new Date(Date.now() + 3_600_000) },
    });
    const ids = Array.from({ length: STEPS }, (_, index) => `step${index}`);
    await Promise.all(
      ids.map(async (stepId) => {
        if (done.has(stepId)) return;
        await ensure(runId, {
          eventType: "step_created",
          correlationId: stepId,
          eventData: { stepName: "work", input: new Uint8Array(64) },
        });
        await world.queue(
          "__wkf_step_work" as never,
          { workflowName: "small", workflowRunId: runId, workflowStartedAt: 1, stepId },
          { idempotencyKey: stepId },
        );
      }),
    );
    return { timeoutSeconds: 3600 };
  });

  world.createQueueHandler("__wkf_step_" as never, async (payload) => {
    const { workflowRunId: runId, stepId } = payload as { workflowRunId: string; stepId: string };
    try {
      await append(runId, { eventType: "step_started", correlationId: stepId, eventData: {} });
    } catch (error) {
      if ((error as Error).name === "EntityConflictError") return void (await wake(runId));
      if ((error as Error).name === "RunExpiredError") return;
      throw error;
    }
    await world.writeToStream(`stream-${runId}`, runId, stepId);
    await append(runId, {
      eventType: "step_completed",
      correlationId: stepId,
      eventData: { result: new Uint8Array(64) },
    });
    await wake(runId);
  });

  return {
    async start(key) {
      const outcome = await world.claimStart([{ key, fingerprint: "same" }], async (claiming) => {
        const { run, event } = await claiming.events.create(null, {
          eventType: "run_created",
          eventData: { deploymentId: "here", workflowName: "small", input: new Uint8Array(64) },
        } as never);
        await claiming.queue("__wkf_workflow_small" as never, { runId: run!.runId });
        stored(run!.runId, event!.eventId);
        return run!.runId;
      });
      return { runId: outcome.runId };
    },
  };
}
