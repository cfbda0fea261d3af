import type { Subject } from "./rule.ts";
import { newId } from "./support.ts";

export function newQueue(kind: "workflow" | "step"): string {
  return `__wkf_${kind}_${newId("conformance")}`;
}

export function stepMessage() {
  return {
    workflowName: "conformance",
    workflowRunId: newId("wrun"),
    workflowStartedAt: 1,
    stepId: newId("step"),
  };
}

/** Queues a message; the engine's brand on queue names is for its own code. */
export function send(
  { world }: Subject,
  queueName: string,
  message: unknown,
  options?: { idempotencyKey?: string; delaySeconds?: number },
): ReturnType<Subject["world"]["queue"]> {
  return world.queue(queueName as never, message as never, options);
}
