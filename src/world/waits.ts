import {
  EntityConflictError,
  WorkflowRunNotFoundError,
  WorkflowWorldError,
} from "workflow/internal/errors";
import { keys } from "./keys.ts";
import { type Change, type Fact, hasEnded, type Records } from "./records.ts";
import type { Write } from "./store.ts";
import type { Wait } from "./types.ts";

/**
 * What a wait's event leads to.
 * @throws EntityConflictError, WorkflowRunNotFoundError or WorkflowWorldError as the engine's contract has it
 */
export function waitChange(records: Records, fact: Fact): Change {
  const waitId = fact.correlationId!;
  const run = records.run(fact.runId);
  if (!run) throw new WorkflowRunNotFoundError(fact.runId);
  const wait = records.wait(fact.runId, waitId);
  if (fact.eventType === "wait_created") {
    if (hasEnded(run)) {
      throw new EntityConflictError(
        `Cannot create new entities on run in terminal state "${run.status}"`,
      );
    }
    if (wait) throw new EntityConflictError(`Wait "${waitId}" already exists`);
  } else {
    if (!wait) throw new WorkflowWorldError(`Wait "${waitId}" not found`);
    if (wait.status === "completed") {
      throw new EntityConflictError(`Wait "${waitId}" already completed`);
    }
  }
  const next = nextWait(wait, fact);
  return {
    facts: [fact],
    writes: [{ key: keys.wait(fact.runId, waitId), value: next }],
    result: { wait: next },
  };
}

/** The wait that an event leaves behind; `wait` is undefined only before `wait_created`. */
export function nextWait(wait: Wait | undefined, fact: Fact): Wait {
  const { createdAt } = fact;
  if (fact.eventType === "wait_created") {
    return {
      waitId: `${fact.runId}-${fact.correlationId}`,
      runId: fact.runId,
      status: "waiting",
      resumeAt: fact.eventData?.["resumeAt"],
      createdAt,
      updatedAt: createdAt,
      specVersion: fact.specVersion,
    };
  }
  if (!wait) throw new WorkflowWorldError(`Wait "${fact.correlationId}" not found`);
  return { ...wait, status: "completed", completedAt: createdAt, updatedAt: createdAt };
}

/** The changes that remove a run's waits. */
export function waitRemovals(waits: readonly Wait[]): Write[] {
  return waits.map(({ runId, waitId }) => ({
    key: keys.wait(runId, waitId.slice(runId.length + 1)),
    value: undefined,
  }));
}
