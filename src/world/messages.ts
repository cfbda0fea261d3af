import { runIdOf } from "../core/queue-requests.ts";
import { isId, keys, number, hash } from "./keys.ts";
import type { Write } from "./store.ts";
import type { QueueName, Run, Step } from "./types.ts";

/** A message as it is stored, until its delivery has succeeded. */
export interface Message {
  messageId: string;
  queueName: QueueName;
  payload: Record<string, any>;
  headers?: Record<string, string>;
  /** Number of the next delivery, from 1. */
  attempt: number;
  /** Milliseconds since the epoch before which it is not delivered. */
  due: number;
  /** Rises with everything that has to be delivered anew although a delivery is under way. */
  version: number;
  /** True while an event has caused the message and the engine has not queued it yet. */
  expected?: boolean;
}

/**
 * An event stores the message that must follow it; the engine queues that message a moment later, which brings it
 * forward. This is when it is delivered otherwise.
 */
const EXPECTED_WITHIN_MS = 1000;

/** The name of a run's wake-up among its messages. There is one, whatever it is woken for. */
export const WAKE_UP = "wake";

/** The name of a step's message among those of its run, by its idempotency key. */
export function stepMessageName(idempotencyKey: string): string {
  return `step-${isId(idempotencyKey) ? idempotencyKey : hash(idempotencyKey)}`;
}

/** The wake-up that a run's event causes; it takes the place of one that is stored. */
export function wakeUp(
  run: Pick<Run, "runId" | "workflowName">,
  stored: Message | undefined,
  messageId: string,
  now: number,
): Message {
  const ready = stored !== undefined && stored.due <= now;
  return {
    messageId: stored?.messageId ?? messageId,
    queueName: `${queuePrefix("workflow")}${run.workflowName}` as QueueName,
    payload: stored?.payload ?? { runId: run.runId },
    attempt: stored?.attempt ?? 1,
    due: ready ? stored.due : now + EXPECTED_WITHIN_MS,
    version: (stored?.version ?? 0) + 1,
    ...(!ready && { expected: true }),
  };
}

/** The message that has a step executed. */
export function stepMessage(
  run: Pick<Run, "workflowName" | "startedAt">,
  step: Step,
  messageId: string,
  now: number,
): Message {
  return {
    messageId,
    queueName: `${queuePrefix("step")}${step.stepName}` as QueueName,
    payload: {
      workflowName: run.workflowName,
      workflowRunId: step.runId,
      workflowStartedAt: run.startedAt?.getTime() ?? now,
      stepId: step.stepId,
      requestedAt: new Date(now),
    },
    attempt: 1,
    due: now + EXPECTED_WITHIN_MS,
    version: 1,
    expected: true,
  };
}

/** The changes that put a message in the place of another of the same key, or remove it. */
export function messageWrites(
  key: string,
  previous: Message | undefined,
  next: Message | undefined,
): Write[] {
  const writes: Write[] = [{ key, value: next }];
  if (previous && previous.due !== next?.due) {
    writes.push({ key: dueKey(key, previous), value: undefined });
  }
  if (next && previous?.due !== next.due) writes.push({ key: dueKey(key, next), value: key });
  return writes;
}

/** The run that a message is for; `-` when it is for none. */
export function runOf(payload: unknown): string {
  const id = runIdOf(payload);
  return id !== undefined && isId(id) ? id : "-";
}

/** The run in the key of a message. */
export function runOfKey(key: string): string {
  return key.split("/")[1]!;
}

/** The prefix of a kind of queues, with the namespace that the engine's own names have. */
export function queuePrefix(kind: "workflow" | "step"): string {
  const namespace = process.env["WORKFLOW_QUEUE_NAMESPACE"];
  return namespace === undefined ? `__wkf_${kind}_` : `__${namespace}_wkf_${kind}_`;
}

function dueKey(key: string, { due }: Message): string {
  return `${keys.due}${number(due)}/${key}`;
}
