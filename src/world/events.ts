import { WorkflowWorldError, RunNotSupportedError } from "workflow/internal/errors";
import { copy } from "./copy.ts";
import { hookChange } from "./hooks.ts";
import { checkId, keys } from "./keys.ts";
import type { Labels } from "./labels.ts";
import { isLegacy, legacyChange } from "./legacy.ts";
import type { EventLog } from "./log.ts";
import {
  messageWrites,
  stepMessage,
  stepMessageName,
  WAKE_UP,
  wakeUp,
  type Message,
} from "./messages.ts";
import type { Queue } from "./queue.ts";
import { type Change, type Fact, hasEnded, type Records } from "./records.ts";
import { checkNewRunId, isUntracedStart, runChange } from "./runs.ts";
import { type StepStart, stepChange, trackStarts } from "./steps.ts";
import type { Store, Wait, Write } from "./store.ts";
import type { Claim, Event, EventResult, Run, Step } from "./types.ts";
import { timeOfUlid } from "./ulid.ts";
import { waitChange } from "./waits.ts";

/** The version of the engine's contract that is spoken here. */
export const SPEC_VERSION = 3;

/** Events of one run, beyond which the engine fails it; as its own Worlds have it. */
const MAX_EVENTS = 25_000;

/** What storing events needs. */
export interface EventsOptions {
  store: Store;
  records: Records;
  labels: Labels;
  log: EventLog;
  queue: Queue;
  now: () => number;
  ulid: () => string;
  maxRetries: (stepName: string) => number | undefined;
  /** Called when a run's start or its end is durable. */
  changed: (run: Run) => void;
  /** Changes that go into the transaction of a run's end. */
  endWrites: (run: Run) => Write[];
}

/** A request to store an event, as the engine makes it. */
export interface EventRequest {
  eventType: string;
  correlationId?: string;
  specVersion?: number;
  eventData?: unknown;
}

/** Parameters of storing an event. */
export interface CreateParams {
  resolveData?: "none" | "all";
  /** Claimed in the transaction that creates the run. */
  claims?: readonly Claim[];
}

/** Stores an event with everything that follows from it, and resolves when that and all before it is durable. */
export type CreateEvent = (
  runId: string | null,
  request: EventRequest,
  params?: CreateParams,
) => Promise<EventResult>;

/** What is decided about an event before anything waits. */
interface Decision {
  change: Change;
  writes: Write[];
  /** Keys of the messages it caused. */
  caused: string[];
}

/** Makes the one function that changes runs, steps, hooks and waits. */
export function createEvents(options: EventsOptions): CreateEvent {
  const { store, records, labels, log, queue, now, ulid } = options;
  /** Steps that this process has started and that have not ended. */
  const startedHere = new Set<string>();

  function stepStart(step: Step): StepStart {
    return {
      startedHere: startedHere.has(`${step.runId}/${step.stepId}`),
      maxRetries: options.maxRetries(step.stepName),
    };
  }

  function change(run: Run | undefined, fact: Fact): Change {
    if (run && isLegacy(run) && fact.eventType !== "run_created") return legacyChange(run, fact);
    const nextEventId = (): string => `evnt_${ulid()}`;
    const concern = fact.eventType.slice(0, fact.eventType.indexOf("_"));
    if (concern === "run") return runChange(records, fact, nextEventId);
    if (!fact.correlationId) {
      throw new WorkflowWorldError(`${fact.eventType} needs a correlationId`, { status: 400 });
    }
    checkId("correlationId", fact.correlationId);
    if (concern === "step") return stepChange(records, fact, stepStart);
    if (concern === "hook" && fact.eventType !== "hook_conflict") return hookChange(records, fact);
    if (concern === "wait") return waitChange(records, fact);
    throw new WorkflowWorldError(`Unknown event type "${fact.eventType}"`, { status: 400 });
  }

  /** The messages that facts cause, and those that they make superfluous. */
  function messages(
    run: Run,
    facts: readonly Fact[],
    step: Step | undefined,
  ): Omit<Decision, "change"> {
    const writes: Write[] = [];
    const caused: string[] = [];
    const put = (key: string, next: Message | undefined): void => {
      writes.push(...messageWrites(key, store.get<Message>(key), next));
      if (next) caused.push(key);
    };
    const wakeKey = keys.message(run.runId, WAKE_UP);
    for (const { eventType, correlationId } of facts) {
      const stepKey = keys.message(run.runId, stepMessageName(correlationId ?? ""));
      if (eventType === "step_created") {
        put(stepKey, stepMessage(run, step!, `msg_${ulid()}`, now()));
      } else if (stepHasEndedBy(eventType) && store.get(stepKey)) put(stepKey, undefined);
      if (hasEnded(run)) continue;
      // A replay that completes a wait goes on with it by itself.
      const ownWait = eventType === "wait_completed" && queue.isReplaying(run.runId);
      if (wakes.has(eventType) && !ownWait) {
        const stored = store.get<Message>(wakeKey);
        put(wakeKey, wakeUp(run, stored, `msg_${ulid()}`, now()));
      }
    }
    return { writes, caused };
  }

  function decide(runId: string, request: EventRequest, claims: readonly Claim[]): Decision {
    const run = records.run(runId);
    if ((run?.specVersion ?? 0) > SPEC_VERSION) {
      throw new RunNotSupportedError(run!.specVersion!, SPEC_VERSION);
    }
    const decided = change(run, {
      eventType: request.eventType as Fact["eventType"],
      ...(request.correlationId !== undefined && { correlationId: request.correlationId }),
      ...(request.eventData !== undefined && {
        eventData: copy(request.eventData) as Record<string, unknown>,
      }),
      runId,
      eventId: `evnt_${ulid()}`,
      createdAt: new Date(now()),
      specVersion: request.specVersion ?? SPEC_VERSION,
    });
    const { facts } = decided;
    const after = decided.result.run ?? run;
    const writes = [...decided.writes];
    if (writes.length > 0 && decided.result.run) {
      writes.push(...labels.writes(run, decided.result.run));
    }
    const caused: string[] = [];
    if (after && facts.length > 0) {
      const follow = messages(after, facts, decided.result.step);
      writes.push(...follow.writes);
      caused.push(...follow.caused);
    }
    if (facts.some(({ eventType }) => eventType === "run_created")) {
      writes.push(...claimWrites(runId, claims));
    }
    const last = facts.at(-1);
    if (last) writes.push({ key: keys.clock, value: timeOfUlid(last.eventId.slice(5))! });
    return { change: decided, writes, caused };
  }

  return async (runId, request, params = {}) => {
    if (!runId && request.eventType !== "run_created") {
      throw new WorkflowWorldError("runId is required for non-run_created events", { status: 400 });
    }
    const id = runId || `wrun_${ulid()}`;
    checkId("runId", id);
    if (request.eventType === "run_created" && runId) checkNewRunId(id, now());
    const { change: decided, writes, caused } = decide(id, request, params.claims ?? []);
    const { facts, result } = decided;
    const changes = facts.length > 0 || writes.length > 0;
    const end = changes && result.run && hasEnded(result.run) ? result.run : undefined;
    if (end) writes.push(...endOfRun(store, end), ...options.endWrites(end));
    // From the decision to the write nothing waits, so what was decided on still holds.
    const durable = changes
      ? store.write([...log.writes(facts), ...writes], wait(id, request))
      : undefined;
    log.append(facts);
    trackStarts(startedHere, facts, result.step);
    queue.caused(id, caused, facts.some(isUntracedStart));
    const handover = request.eventType === "run_started" ? handOver(id) : undefined;
    if (end) log.forget(id);
    await (durable ?? told(request));
    // The answer to whoever has started the run goes out before its first replay takes the thread.
    if (handover && durable) await new Promise(setImmediate);
    if (end || (handover && durable)) options.changed(result.run!);
    const event = facts.at(-1) ?? (result.run && lastOf(log, id, request.eventType));
    return {
      ...(event && { event: withoutData(event, params.resolveData) }),
      ...copy(result),
      ...handover,
      ...(result.run && { maxEvents: MAX_EVENTS }),
    };
  };

  function wait(runId: string, { eventType }: EventRequest): Wait {
    if (progress.has(eventType) && queue.goesOn(runId)) return "patiently";
    return queue.isAlone(runId) ? "idly" : "busily";
  }

  /** What was stored before is told again when it is durable; every replay begins with being told so. */
  async function told({ eventType }: EventRequest): Promise<void> {
    if (eventType !== "run_started") await store.durable();
  }

  /** The whole log, so that the replay which begins with `run_started` reads nothing more. */
  function handOver(runId: string): Pick<EventResult, "events" | "cursor" | "hasMore"> {
    const events = log.read(runId).map((fact) => copy(fact) as unknown as Event);
    queue.handedOver(runId);
    return { events, cursor: events.at(-1)?.eventId ?? null, hasMore: false };
  }
}

/**
 * Events with which the engine takes note of its own progress. When the run goes on here, its next move is made before
 * they are durable, as whatever comes of it is stored after them; so they go to the disk with the next event that
 * something depends on. `step_started` is none of them: a step's code acts on the world outside.
 */
const progress = new Set<string>([
  "step_created",
  "step_completed",
  "step_failed",
  "step_retrying",
]);

/** Events that a run has to be woken for. */
const wakes = new Set<string>([
  "run_created",
  "step_completed",
  "step_failed",
  "hook_received",
  "wait_completed",
]);

function stepHasEndedBy(eventType: string): boolean {
  return eventType === "step_completed" || eventType === "step_failed";
}

function claimWrites(runId: string, claims: readonly Claim[]): Write[] {
  if (claims.length === 0) return [];
  return [
    ...claims.map(({ key, fingerprint }) => ({
      key: keys.claim(key),
      value: { runId, fingerprint },
    })),
    { key: keys.claimed(runId), value: claims.map(({ key }) => key) },
  ];
}

/** Nothing is to be delivered to a run that has ended. */
function endOfRun(store: Store, run: Run): Write[] {
  const writes: Write[] = [];
  for (const { key, value } of store.range<Message>({ prefix: keys.messages(run.runId) })) {
    writes.push(...messageWrites(key, value, undefined));
  }
  return writes;
}

function lastOf(log: EventLog, runId: string, eventType: string): Fact | undefined {
  // Every replay asks for `run_started` again and looks at nothing but the run.
  if (eventType === "run_started") return undefined;
  return log.read(runId).findLast((fact) => fact.eventType === eventType);
}

/** The parts of an event that are left out of a listing without data. */
const dataFields: Record<string, string> = {
  run_created: "input",
  run_completed: "output",
  run_failed: "error",
  step_created: "input",
  step_completed: "result",
  step_failed: "error",
  step_retrying: "error",
  hook_created: "metadata",
  hook_received: "payload",
};

/** An event as it goes out: a copy, which the caller may change, without its payload when `resolveData` is `none`. */
export function withoutData(fact: Fact, resolveData?: "none" | "all"): Event {
  const field = dataFields[fact.eventType];
  if (resolveData !== "none" || !fact.eventData || !field) return copy(fact) as unknown as Event;
  const { eventData, ...rest } = fact;
  const { [field]: _, ...kept } = eventData;
  const event = { ...rest, ...(Object.keys(kept).length > 0 && { eventData: kept }) };
  return copy(event) as unknown as Event;
}
