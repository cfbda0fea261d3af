import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createEmbeddedWorld } from "../../src/world/index.ts";
import type {
  EmbeddedWorld,
  EmbeddedWorldOptions,
  EventResult,
  QueueHandler,
} from "../../src/world/types.ts";

/** A folder that goes with the test. */
export async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "orchestrator-world-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A World that is closed with the test; its handler failures are retried at once. */
export async function openWorld(
  options: Partial<EmbeddedWorldOptions> = {},
): Promise<EmbeddedWorld> {
  const dataDir = options.dataDir ?? (await folder());
  const world = createEmbeddedWorld({ retryDelay: () => 0, ...options, dataDir });
  onTestFinished(() => world.close());
  return world;
}

/** Stores an event in the form that tests write. */
export function append(
  world: EmbeddedWorld,
  runId: string | null,
  eventType: string,
  rest: { correlationId?: string; eventData?: object; specVersion?: number } = {},
): Promise<EventResult> {
  return world.events.create(runId as string, { eventType, ...rest } as never);
}

/** Creates a run, and answers with its id. */
export async function createRun(world: EmbeddedWorld, workflowName = "flow"): Promise<string> {
  const { run } = await append(world, null, "run_created", {
    eventData: { deploymentId: "here", workflowName, input: new Uint8Array([1]) },
  });
  return run!.runId;
}

/** Creates a step. */
export function createStep(
  world: EmbeddedWorld,
  runId: string,
  stepId: string,
): Promise<EventResult> {
  return append(world, runId, "step_created", {
    correlationId: stepId,
    eventData: { stepName: "work", input: new Uint8Array([2]) },
  });
}

/** A delivery as a handler sees it. */
export interface Delivered {
  payload: any;
  attempt: number;
  messageId: string;
}

/** Collects what is delivered to a prefix, and answers as told. */
export function collect(
  world: EmbeddedWorld,
  prefix: string,
  answer: (delivered: Delivered) => ReturnType<QueueHandler> = async () => undefined,
): Delivered[] {
  const seen: Delivered[] = [];
  world.createQueueHandler(prefix as never, async (payload, { attempt, messageId }) => {
    const delivered = { payload, attempt, messageId };
    seen.push(delivered);
    return answer(delivered);
  });
  return seen;
}

/** Queues a message. */
export function send(
  world: EmbeddedWorld,
  queueName: string,
  payload: object,
  options?: object,
): Promise<{ messageId: string | null }> {
  return world.queue(queueName as never, payload as never, options);
}

export const FLOW = "__wkf_workflow_";
export const STEP = "__wkf_step_";

/** Resolves after a time. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves when a condition holds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = 10_000,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`did not come true within ${ms} ms`);
    await sleep(5);
  }
}
