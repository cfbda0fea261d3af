// A process that the durability test lets kill itself, at the very moment at which somebody outside would learn
// something: a run of two steps, one after the other, up to the moment that is named.
import { createEmbeddedWorld } from "../../src/world/index.ts";

const [, , dataDir, moment] = process.argv;
const world = createEmbeddedWorld({ dataDir: dataDir! });

/** Ends the process without another instruction, if its time has come. */
function now(name: string): void {
  if (name === moment) process.kill(process.pid, "SIGKILL");
}

const append = (runId: string | null, request: object) =>
  world.events.create(runId as string, request as never);
const wake = (runId: string) => world.queue("__wkf_workflow_two" as never, { runId });

world.onRunEnd(() => now("end announced"));

world.createQueueHandler("__wkf_workflow_" as never, async (payload) => {
  const { runId } = payload as { runId: string };
  const { events } = await append(runId, { eventType: "run_started" });
  const done = events!.filter(({ eventType }) => eventType === "step_completed").length;
  if (done === 2) {
    const ending = append(runId, { eventType: "run_completed", eventData: { output: done } });
    // Asked between the decision and the disk, as a poll may.
    const { status } = await world.runs.get(runId);
    if (status === "completed") now("end read");
    return void (await ending);
  }
  const correlationId = `step${done}`;
  const eventData = { stepName: "work", input: new Uint8Array(64) };
  await append(runId, { eventType: "step_created", correlationId, eventData });
  const message = { workflowName: "two", workflowRunId: runId, stepId: correlationId };
  await world.queue("__wkf_step_work" as never, { ...message, workflowStartedAt: 1 } as never, {
    idempotencyKey: correlationId,
  });
});

world.createQueueHandler("__wkf_step_" as never, async (payload) => {
  const { workflowRunId: runId, stepId } = payload as { workflowRunId: string; stepId: string };
  const correlationId = stepId;
  await append(runId, { eventType: "step_started", correlationId, eventData: {} });
  now(`code of ${stepId}`);
  const eventData = { result: new Uint8Array(64) };
  await append(runId, { eventType: "step_completed", correlationId, eventData });
  now(`${stepId} acknowledged`);
  await wake(runId);
});

await world.start();
const executionContext = { traceCarrier: {} };
const { run } = await append(null, {
  eventType: "run_created",
  eventData: {
    deploymentId: "here",
    workflowName: "two",
    input: new Uint8Array(64),
    executionContext,
  },
});
now("start acknowledged");
await wake(run!.runId);
