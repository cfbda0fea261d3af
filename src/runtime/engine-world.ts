import type { createWorld } from "workflow/runtime";
import type { EngineHandler } from "./virtual/engine.ts";

/** The engine's storage and queue. */
export type World = ReturnType<typeof createWorld>;

/** What delivers the queue's messages to the engine. */
export interface EngineHandlers {
  /** Absent where there are no workflows but our own; messages for others then wait for who has them. */
  flow?: EngineHandler;
  step: EngineHandler;
}

/** Names of the engine's queues start so. */
export const queuePrefixes = { flow: "__wkf_workflow_", step: "__wkf_step_" } as const;

/**
 * The same World with something done around each event it stores; what is done may store other data
 * than the engine gave.
 */
export function aroundCreate(
  world: World,
  around: <T>(
    event: { eventType: string; runId: string | null; eventData?: Record<string, unknown> },
    create: (eventData?: Record<string, unknown>) => Promise<T>,
  ) => Promise<T>,
): World {
  // One signature for the overloads, which differ only in the event's type.
  const create = world.events.create as unknown as (
    runId: string | null,
    data: { eventType: string; eventData?: Record<string, unknown> },
    ...rest: unknown[]
  ) => Promise<unknown>;
  const wrapped: typeof create = (runId, data, ...rest) =>
    around({ runId, ...data }, (eventData) =>
      create(runId, eventData ? { ...data, eventData } : data, ...rest),
    );
  return {
    ...world,
    events: { ...world.events, create: wrapped as unknown as World["events"]["create"] },
  };
}

/** A run's record as the World keeps it. */
export type StoredRun = Awaited<ReturnType<World["runs"]["get"]>>;

/** The engine's statuses as our API spells them. */
export const stateOfStatus: {
  readonly pending: "queued";
  readonly running: "running";
  readonly completed: "completed";
  readonly failed: "failed";
  readonly cancelled: "cancelled";
} = {
  pending: "queued",
  running: "running",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
};

/** The statuses of the states that they tell by themselves; the others may be in the output of a run of ours. */
export const statusOfState: {
  readonly queued: "pending";
  readonly running: "running";
  readonly cancelled: "cancelled";
} = { queued: "pending", running: "running", cancelled: "cancelled" };

/** Whether a state is told by the engine's status alone. */
export function hasStatus(state: string): state is keyof typeof statusOfState {
  return Object.hasOwn(statusOfState, state);
}

/** A run's record, or undefined where there is none. */
export async function readStored(
  world: World,
  runId: string,
  params?: { resolveData: "all" | "none" },
): Promise<StoredRun | undefined> {
  try {
    return (await world.runs.get(runId, params as { resolveData: "all" })) as StoredRun;
  } catch (error) {
    if (error instanceof Error && error.name === "WorkflowRunNotFoundError") return undefined;
    throw error;
  }
}
