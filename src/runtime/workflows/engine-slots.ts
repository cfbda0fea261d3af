import { OrchestratorError } from "../../core/errors.ts";
import { inWorkflow } from "./calls.ts";

/** What the engine gives to workflows. */
export interface WorkflowEngine {
  createHook: <T>(options: { token: string }) => Hook<T>;
  /** Durable: for milliseconds, or a duration such as `"2h"`. */
  sleep: (duration: number | string) => Promise<void>;
  runId: string;
}

/** A hook of the engine's: a promise of what it is resumed with. */
export interface Hook<T> extends PromiseLike<T> {
  dispose(): void;
}

/** The same by the names under which the engine's own package finds it. */
interface Slots {
  [createHookSlot]?: WorkflowEngine["createHook"];
  [sleepSlot]?: WorkflowEngine["sleep"];
  [contextSlot]?: { workflowRunId: string };
}

const createHookSlot: unique symbol = Symbol.for("WORKFLOW_CREATE_HOOK") as never;
const sleepSlot: unique symbol = Symbol.for("WORKFLOW_SLEEP") as never;
const contextSlot: unique symbol = Symbol.for("WORKFLOW_CONTEXT") as never;

/**
 * What the engine gives to the workflow that calls this.
 *
 * @param caller what the message calls whoever needs it
 * @throws OrchestratorError `CONFIG_INVALID` outside of a workflow
 */
export function workflowEngine(caller: string): WorkflowEngine {
  const slots = globalThis as Slots;
  const createHook = slots[createHookSlot];
  const sleep = slots[sleepSlot];
  const context = slots[contextSlot];
  if (inWorkflow() && createHook && sleep && context) {
    return { createHook, sleep, runId: context.workflowRunId };
  }
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `${caller} was called outside of a workflow: only a workflow can wait without holding anything up`,
  );
}
