import type { EventRequest, EventResult, Storage } from "./events.ts";
import { isOfDatabase } from "./transactions.ts";

type StoredEvent = NonNullable<EventResult["event"]>;

/**
 * What `run_started` answers for a run that has been started, which each replay asks for and which changes nothing:
 * the run, and its whole log, so that the replay reads nothing more.
 */
export async function readRunning(
  storage: Storage,
  runId: string,
): Promise<EventResult | undefined> {
  const [run, events] = await Promise.all([storage.runs.get(runId), readLog(storage, runId)]);
  if (run.status !== "running") return undefined;
  return { run, events, cursor: events.at(-1)?.eventId ?? null, hasMore: false } as EventResult;
}

async function readLog({ events }: Storage, runId: string): Promise<StoredEvent[]> {
  const log: StoredEvent[] = [];
  for (let cursor: string | undefined; ;) {
    const pagination = { limit: 1000, ...(cursor && { cursor }) };
    const page = await events.list({ runId, pagination });
    log.push(...page.data);
    if (!page.hasMore || !page.cursor) return log;
    cursor = page.cursor;
  }
}

/** What an event has changed, if it has been stored: by the state that it leads to, or by itself in the log. */
export async function lookFor(
  storage: Storage,
  runId: string,
  { eventType, correlationId }: EventRequest,
): Promise<EventResult | undefined> {
  if (eventType.startsWith("run_")) {
    const run = await storage.runs.get(runId).catch(absent);
    const status = eventType === "run_started" ? "running" : eventType.slice("run_".length);
    const stored = run && (eventType === "run_created" || run.status === status);
    return stored ? ({ run } as EventResult) : undefined;
  }
  if (eventType.startsWith("step_")) {
    const step = await storage.steps.get(runId, correlationId!).catch(absent);
    const stored = step && (eventType === "step_created" || step.status === stepStatus[eventType]);
    return stored ? ({ step } as EventResult) : undefined;
  }
  const { data } = await storage.events.listByCorrelationId({
    runId,
    correlationId: correlationId!,
  });
  const kinds = eventType === "hook_created" ? [eventType, "hook_conflict"] : [eventType];
  const event = data.find((one) => kinds.includes(one.eventType));
  return event && ({ event } as EventResult);
}

/** Nobody else changes a step that is delivered to one process at a time. */
const stepStatus: Record<string, string> = {
  step_started: "running",
  step_completed: "completed",
  step_failed: "failed",
  step_retrying: "pending",
};

function absent(error: unknown): undefined {
  if (isOfDatabase(error)) throw error;
  return undefined;
}
