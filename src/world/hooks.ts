import {
  EntityConflictError,
  HookNotFoundError,
  WorkflowRunNotFoundError,
  WorkflowWorldError,
} from "workflow/internal/errors";
import { keys, place } from "./keys.ts";
import { type Change, type Fact, hasEnded, type Records } from "./records.ts";
import type { Write } from "./store.ts";
import type { Hook } from "./types.ts";

/**
 * What a hook's event leads to. A `hook_created` whose token another hook has is stored as `hook_conflict`.
 * @throws EntityConflictError, HookNotFoundError or WorkflowRunNotFoundError as the engine's contract has it
 */
export function hookChange(records: Records, fact: Fact): Change {
  const hookId = fact.correlationId!;
  const run = records.run(fact.runId);
  if (!run) throw new WorkflowRunNotFoundError(fact.runId);
  const hook = records.hook(hookId);
  if (fact.eventType === "hook_created") {
    if (hasEnded(run)) {
      throw new EntityConflictError(
        `Cannot create new entities on run in terminal state "${run.status}"`,
      );
    }
    return creation(records, hook, fact);
  }
  if (!hook || hook.runId !== fact.runId) throw new HookNotFoundError(hookId);
  const writes = fact.eventType === "hook_disposed" ? hookRemovals(hook) : [];
  return { facts: [fact], writes, result: {} };
}

/** The hook that an event leaves behind, if any. */
export function nextHook(hook: Hook | undefined, fact: Fact): Hook | undefined {
  if (fact.eventType === "hook_disposed") return undefined;
  if (fact.eventType !== "hook_created") return hook;
  const { token, metadata, isWebhook } = fact.eventData ?? {};
  return {
    runId: fact.runId,
    hookId: fact.correlationId!,
    token,
    metadata,
    // The engine's hosts have owners and projects; one process in one folder has not.
    ownerId: "local-owner",
    projectId: "local-project",
    environment: "local",
    createdAt: fact.createdAt,
    specVersion: fact.specVersion,
    isWebhook: isWebhook ?? false,
  };
}

/** The changes that remove a hook and free its token. */
export function hookRemovals(hook: Hook): Write[] {
  const at = place(hook.createdAt, hook.hookId);
  return [
    keys.hook(hook.hookId),
    keys.hookList() + at,
    keys.hookList(hook.runId) + at,
    keys.token(hook.token),
  ].map((key) => ({ key, value: undefined }));
}

function creation(records: Records, hook: Hook | undefined, fact: Fact): Change {
  const token: unknown = fact.eventData?.["token"];
  if (typeof token !== "string") {
    throw new WorkflowWorldError("hook_created needs a token", { status: 400 });
  }
  const owner = records.tokenOwner(token);
  if (hook || (owner?.hookId === fact.correlationId && owner?.runId === fact.runId)) {
    throw new EntityConflictError(`Hook "${fact.correlationId}" already exists`);
  }
  if (owner) {
    const eventData = { token, conflictingRunId: owner.runId };
    return { facts: [{ ...fact, eventType: "hook_conflict", eventData }], writes: [], result: {} };
  }
  const next = nextHook(undefined, fact)!;
  const { runId, hookId } = next;
  const at = place(next.createdAt, hookId);
  const writes = [
    { key: keys.hook(hookId), value: next },
    { key: keys.hookList() + at, value: hookId },
    { key: keys.hookList(runId) + at, value: hookId },
    { key: keys.token(token), value: { runId, hookId } },
  ];
  return { facts: [fact], writes, result: { hook: next } };
}
