import { WorkflowWorldError } from "workflow/internal/errors";
import { type Change, type Fact, hasEnded } from "./records.ts";
import { nextRun, runWrites } from "./runs.ts";
import type { Run } from "./types.ts";

/** True for a run of the engine's first version, from before its events. */
export function isLegacy({ specVersion }: Run): boolean {
  return specVersion === undefined || specVersion <= 1;
}

/**
 * What an event leads to in a run of the engine's first version: it can be cancelled, which leaves no event, and
 * records payloads and waits; the engine executes it no more.
 * @throws WorkflowWorldError for everything else
 */
export function legacyChange(run: Run, fact: Fact): Change {
  if (fact.eventType === "run_cancelled") {
    const next = nextRun(run, fact);
    return { facts: [], writes: hasEnded(run) ? [] : runWrites(run, next), result: { run: next } };
  }
  if (fact.eventType === "wait_completed" || fact.eventType === "hook_received") {
    return { facts: [fact], writes: [], result: {} };
  }
  throw new WorkflowWorldError(
    `Event type '${fact.eventType}' not supported for legacy runs (specVersion: ${run.specVersion}). Please upgrade 'workflow' package.`,
  );
}
