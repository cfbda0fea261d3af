import { keys } from "./keys.ts";
import type { Store, Write } from "./store.ts";
import type { Event, EventResult, Hook, Run, Step, Wait } from "./types.ts";

/** An event as it is decided about, before or after it has been stored. */
export interface Fact {
  eventType: Event["eventType"];
  runId: string;
  eventId: string;
  createdAt: Date;
  specVersion: number;
  correlationId?: string;
  // The engine's own types have one shape an event type; they are checked where they are read.
  eventData?: Record<string, any>;
}

/** What a fact leads to: the facts to store, the changes of records, and what the caller is told. */
export interface Change {
  facts: Fact[];
  writes: Write[];
  result: Pick<EventResult, "run" | "step" | "hook" | "wait">;
}

/** The records that events change. */
export interface Records {
  run(runId: string): Run | undefined;
  step(runId: string, stepId: string): Step | undefined;
  hook(hookId: string): Hook | undefined;
  /** The hook that has a token. */
  tokenOwner(token: string): { runId: string; hookId: string } | undefined;
  wait(runId: string, waitId: string): Wait | undefined;
  hooksOf(runId: string): Hook[];
  waitsOf(runId: string): Wait[];
}

/** Reads records from a store. */
export function readRecords(store: Store): Records {
  const hook = (hookId: string): Hook | undefined => store.get<Hook>(keys.hook(hookId));
  return {
    run: (runId) => store.get<Run>(keys.run(runId)),
    step: (runId, stepId) => store.get<Step>(keys.step(runId, stepId)),
    hook,
    tokenOwner: (token) => store.get(keys.token(token)),
    wait: (runId, waitId) => store.get<Wait>(keys.wait(runId, waitId)),
    hooksOf: (runId) =>
      [...store.range<string>({ prefix: keys.hookList(runId) })].flatMap(
        ({ value }) => hook(value) ?? [],
      ),
    waitsOf: (runId) =>
      [...store.range<Wait>({ prefix: keys.waits(runId) })].map(({ value }) => value),
  };
}

/** True for a run that nothing changes any more. */
export function hasEnded(run: Pick<Run, "status">): boolean {
  return run.status === "completed" || run.status === "failed" || run.status === "cancelled";
}

/** The message of an error in an event, which is text or an object. */
export function errorMessage(error: unknown): string {
  if (typeof error === "string") return error;
  const message = (error as { message?: unknown } | undefined)?.message;
  return typeof message === "string" ? message : "Unknown error";
}
