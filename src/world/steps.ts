import {
  EntityConflictError,
  RunExpiredError,
  TooEarlyError,
  WorkflowRunNotFoundError,
  WorkflowWorldError,
} from "workflow/internal/errors";
import { keys, place } from "./keys.ts";
import { type Change, errorMessage, type Fact, hasEnded, type Records } from "./records.ts";
import type { Write } from "./store.ts";
import type { Step } from "./types.ts";

/** What is known of a step beyond its record when it is started. */
export interface StepStart {
  /** True when a step that is `running` was started by this process, and not by one that has died since. */
  startedHere: boolean;
  /** How often it may be retried; `undefined` when that is not known. */
  maxRetries: number | undefined;
}

/** True for a step that nothing changes any more. */
export function stepHasEnded(step: Pick<Step, "status">): boolean {
  return step.status === "completed" || step.status === "failed" || step.status === "cancelled";
}

/**
 * What a step's event leads to.
 * @throws EntityConflictError, RunExpiredError, TooEarlyError, WorkflowRunNotFoundError or WorkflowWorldError as the engine's contract has it
 */
export function stepChange(records: Records, fact: Fact, start: (step: Step) => StepStart): Change {
  const stepId = fact.correlationId!;
  const run = records.run(fact.runId);
  if (!run) throw new WorkflowRunNotFoundError(fact.runId);
  const step = records.step(fact.runId, stepId);
  if (fact.eventType === "step_created") {
    if (hasEnded(run)) {
      throw new EntityConflictError(
        `Cannot create new entities on run in terminal state "${run.status}"`,
      );
    }
    if (step) throw new EntityConflictError(`Step "${stepId}" already exists`);
    const next = nextStep(undefined, fact);
    return { facts: [fact], writes: stepWrites(undefined, next), result: { step: next } };
  }
  const begins = fact.eventType === "step_started";
  if (!step) {
    // Its creation came after the run's end, and the engine sent its message all the same.
    if (begins && hasEnded(run)) throw new RunExpiredError(`Run "${run.runId}" is ${run.status}`);
    throw new WorkflowWorldError(`Step "${stepId}" not found`);
  }
  if (stepHasEnded(step)) {
    throw new EntityConflictError(`Cannot modify step in terminal state "${step.status}"`);
  }
  if (hasEnded(run) && (begins || step.status !== "running")) {
    throw new RunExpiredError(
      `Cannot modify non-running step on run in terminal state "${run.status}"`,
    );
  }
  const stored = begins ? startingFact(step, fact, start(step)) : fact;
  const next = nextStep(step, stored);
  return { facts: [stored], writes: stepWrites(step, next), result: { step: next } };
}

/** The step that an event leaves behind; `step` is undefined only before `step_created`. */
export function nextStep(step: Step | undefined, fact: Fact): Step {
  const { eventData = {}, createdAt } = fact;
  if (fact.eventType === "step_created") {
    return {
      runId: fact.runId,
      stepId: fact.correlationId!,
      stepName: eventData["stepName"],
      status: "pending",
      input: eventData["input"],
      attempt: 0,
      createdAt,
      updatedAt: createdAt,
      specVersion: fact.specVersion,
    };
  }
  if (!step) throw new WorkflowWorldError(`Step "${fact.correlationId}" not found`);
  const error = (): Step["error"] => ({
    message: errorMessage(eventData["error"]),
    stack: eventData["stack"],
  });
  switch (fact.eventType) {
    case "step_started":
      return {
        ...step,
        status: "running",
        startedAt: step.startedAt ?? createdAt,
        attempt: eventData["attempt"] ?? step.attempt + 1,
        retryAfter: undefined,
        updatedAt: createdAt,
      };
    case "step_completed":
      return {
        ...step,
        status: "completed",
        output: eventData["result"],
        completedAt: createdAt,
        updatedAt: createdAt,
      };
    case "step_failed":
      return {
        ...step,
        status: "failed",
        error: error(),
        completedAt: createdAt,
        updatedAt: createdAt,
      };
    case "step_retrying":
      return {
        ...step,
        status: "pending",
        error: error(),
        retryAfter: eventData["retryAfter"],
        updatedAt: createdAt,
      };
    default:
      return step;
  }
}

/**
 * The start of a step with the number of its attempt, which the engine compares with `maxRetries + 1`.
 *
 * A step that is `running` although this process did not start it was cut off by the death of another. Starting it
 * anew is the same attempt, so that a crash uses none up. A step that must not be retried is the exception: it had
 * begun, so its attempt counts, and the engine fails it without running it.
 */
function startingFact(step: Step, fact: Fact, { startedHere, maxRetries }: StepStart): Fact {
  const wait = step.retryAfter ? step.retryAfter.getTime() - fact.createdAt.getTime() : 0;
  if (wait > 0) {
    throw new TooEarlyError(
      `Cannot start step "${step.stepId}": retryAfter timestamp has not been reached yet`,
      { retryAfter: Math.ceil(wait / 1000) },
    );
  }
  const cutOff = step.status === "running" && !startedHere;
  const attempt = cutOff && maxRetries !== 0 ? step.attempt : step.attempt + 1;
  return { ...fact, eventData: { ...fact.eventData, attempt } };
}

/** Keeps up, with what has been stored, which steps this process has started and not ended. */
export function trackStarts(startedHere: Set<string>, facts: readonly Fact[], step?: Step): void {
  for (const { eventType, runId, correlationId } of facts) {
    if (eventType === "step_started") startedHere.add(`${runId}/${correlationId}`);
    else if (step && (stepHasEnded(step) || eventType === "step_retrying")) {
      startedHere.delete(`${runId}/${correlationId}`);
    }
  }
}

function stepWrites(previous: Step | undefined, next: Step): Write[] {
  const writes: Write[] = [{ key: keys.step(next.runId, next.stepId), value: next }];
  if (!previous) {
    writes.push({
      key: keys.stepList(next.runId) + place(next.createdAt, next.stepId),
      value: next.stepId,
    });
  }
  return writes;
}
