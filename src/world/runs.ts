import {
  EntityConflictError,
  RunExpiredError,
  WorkflowRunNotFoundError,
  WorkflowWorldError,
} from "workflow/internal/errors";
import { hookRemovals } from "./hooks.ts";
import { keys, place } from "./keys.ts";
import { type Change, errorMessage, type Fact, hasEnded, type Records } from "./records.ts";
import type { Write } from "./store.ts";
import type { Run } from "./types.ts";
import { timeOfUlid } from "./ulid.ts";
import { waitRemovals } from "./waits.ts";

const day = 24 * 60 * 60 * 1000;

/**
 * What a run's event leads to.
 * @throws EntityConflictError, RunExpiredError, WorkflowRunNotFoundError or WorkflowWorldError as the engine's contract has it
 */
export function runChange(records: Records, fact: Fact, nextEventId: () => string): Change {
  const run = records.run(fact.runId);
  if (fact.eventType === "run_created") return creation(run, fact);
  if (!run) {
    const input = fact.eventType === "run_started" ? creationIn(fact) : undefined;
    if (!input) throw new WorkflowRunNotFoundError(fact.runId);
    return resilientStart(input, fact, nextEventId());
  }
  if (hasEnded(run)) return onEnded(run, fact);
  const stored = withoutStartData(fact);
  // Idempotent: every replay of a run begins with this event.
  if (fact.eventType === "run_started" && run.status === "running") {
    return { facts: [], writes: [], result: { run } };
  }
  const next = nextRun(run, stored);
  const writes = runWrites(run, next);
  if (hasEnded(next)) {
    for (const hook of records.hooksOf(run.runId)) writes.push(...hookRemovals(hook));
    writes.push(...waitRemovals(records.waitsOf(run.runId)));
  }
  return { facts: [stored], writes, result: { run: next } };
}

/** The run that an event leaves behind; `run` is undefined only before `run_created`. */
export function nextRun(run: Run | undefined, fact: Fact): Run {
  const { eventType, eventData = {}, createdAt } = fact;
  if (eventType === "run_created") return newRun(fact);
  if (!run) throw new WorkflowRunNotFoundError(fact.runId);
  const ended = { completedAt: createdAt, updatedAt: createdAt };
  const next = (change: object): Run => ({ ...run, ...change }) as Run;
  switch (eventType) {
    case "run_started":
      return next({
        status: "running",
        startedAt: run.startedAt ?? createdAt,
        updatedAt: createdAt,
      });
    case "run_completed":
      return next({ status: "completed", output: eventData["output"], ...ended });
    case "run_failed":
      return next({
        status: "failed",
        error: {
          message: errorMessage(eventData["error"]),
          stack: eventData["error"]?.stack,
          code: eventData["errorCode"],
        },
        ...ended,
      });
    case "run_cancelled":
      return next({ status: "cancelled", ...ended });
    default:
      return run;
  }
}

/** The changes of the store that bring a run and the lists it is in up to date. */
export function runWrites(previous: Run | undefined, next: Run): Write[] {
  const writes: Write[] = [{ key: keys.run(next.runId), value: next }];
  const at = place(next.createdAt, next.runId);
  const { workflowName } = next;
  if (!previous) {
    writes.push({ key: keys.runList({}) + at, value: true });
    writes.push({ key: keys.runList({ workflowName }) + at, value: true });
  }
  if (previous?.status === next.status) return writes;
  for (const [run, value] of [
    [previous, undefined],
    [next, true],
  ] as const) {
    if (!run) continue;
    writes.push({ key: keys.runList({ status: run.status }) + at, value });
    writes.push({ key: keys.runList({ workflowName, status: run.status }) + at, value });
  }
  if (hasEnded(next)) writes.push({ key: keys.ended + endOf(next), value: true });
  return writes;
}

/** The changes that remove a run from the store's lists, and itself; its place among the ended ones stays. */
export function runRemovals(run: Run): Write[] {
  const at = place(run.createdAt, run.runId);
  const { workflowName, status } = run;
  return [
    keys.run(run.runId),
    ...[{}, { workflowName }, { status }, { workflowName, status }].map(
      (filter) => keys.runList(filter) + at,
    ),
  ].map((key) => ({ key, value: undefined }));
}

/** A run's place among the ended ones. */
export function endOf(run: Run): string {
  return place(run.completedAt ?? run.updatedAt, run.runId);
}

/** Refuses an id of a new run that is no ULID, or whose time is more than a day ago or five minutes ahead. */
export function checkNewRunId(runId: string, now: number): void {
  const time = timeOfUlid(runId.startsWith("wrun_") ? runId.slice(5) : runId);
  if (time === undefined) {
    throw new WorkflowWorldError(`Invalid runId: "${runId}" is not a valid ULID`);
  }
  if (now - time <= day && time - now <= 5 * 60 * 1000) return;
  const seconds = Math.round(Math.abs(now - time) / 1000);
  throw new WorkflowWorldError(
    `Invalid runId timestamp: embedded timestamp is ${seconds}s in the ${time < now ? "past" : "future"}`,
  );
}

/** True for a run that the engine's own `start` creates without a trace: it will queue nothing but its wake-up. */
export function isUntracedStart({ eventType, eventData }: Fact): boolean {
  const carrier: unknown = eventData?.["executionContext"]?.traceCarrier;
  if (eventType !== "run_created" || typeof carrier !== "object" || !carrier) return false;
  return Object.keys(carrier).length === 0;
}

function creation(run: Run | undefined, fact: Fact): Change {
  if (run) throw new EntityConflictError(`Workflow run "${fact.runId}" already exists`);
  if (!creationIn(fact)) {
    throw new WorkflowWorldError(
      "run_created needs `eventData` with deploymentId, workflowName and input",
      { status: 400 },
    );
  }
  const next = newRun(fact);
  return { facts: [fact], writes: runWrites(undefined, next), result: { run: next } };
}

/** The engine starts a run whose `run_created` was lost: its wake-up carried what that needs. */
function resilientStart(input: Record<string, unknown>, fact: Fact, startedId: string): Change {
  const created: Fact = { ...fact, eventType: "run_created", eventData: input };
  const started: Fact = { ...withoutStartData(fact), eventId: startedId };
  const next = nextRun(newRun(created), started);
  return { facts: [created, started], writes: runWrites(undefined, next), result: { run: next } };
}

function onEnded(run: Run, fact: Fact): Change {
  if (fact.eventType === "run_cancelled" && run.status === "cancelled") {
    return { facts: [], writes: [], result: { run } };
  }
  if (fact.eventType === "run_started") {
    throw new RunExpiredError(
      `Workflow run "${run.runId}" is already in terminal state "${run.status}"`,
    );
  }
  throw new EntityConflictError(`Cannot transition run from terminal state "${run.status}"`);
}

function newRun(fact: Fact): Run {
  const data = fact.eventData ?? {};
  return {
    runId: fact.runId,
    deploymentId: data["deploymentId"],
    status: "pending",
    workflowName: data["workflowName"],
    specVersion: fact.specVersion,
    executionContext: data["executionContext"],
    input: data["input"],
    createdAt: fact.createdAt,
    updatedAt: fact.createdAt,
  } as Run;
}

function creationIn({ eventData }: Fact): Record<string, unknown> | undefined {
  if (!eventData?.["deploymentId"] || !eventData["workflowName"]) return undefined;
  return eventData["input"] === undefined ? undefined : eventData;
}

/** What a run is created from belongs to `run_created` alone. */
function withoutStartData(fact: Fact): Fact {
  if (fact.eventType !== "run_started") return fact;
  const { eventData: _, ...rest } = fact;
  return rest;
}
