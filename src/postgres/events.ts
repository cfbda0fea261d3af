import { createHash, randomUUID } from "node:crypto";
import { getStepFunction } from "workflow/internal/private";
import type { createWorld } from "workflow/runtime";
import { takeClaims } from "./claims.ts";
import { createGroups } from "./groups.ts";
import { currentDelivery } from "./deliveries.ts";
import { type Messages } from "./messages.ts";
import { WAKE_UP } from "./message-statements.ts";
import type { Labels } from "./labels.ts";
import { checkOrder, inOrder, lastEventOf } from "./event-order.ts";
import { patiently } from "./pool.ts";
import type { PostgresQueue } from "./queue.ts";
import { createRecent } from "./recent.ts";
import { lookFor, readRunning } from "./stored-events.ts";
import { CommitUnknown, isOfDatabase, type StoragePool } from "./transactions.ts";

/** The engine's storage, queue and streams, as its own runtime types them. */
export type World = ReturnType<typeof createWorld>;

/** What the engine keeps of runs. */
export type Storage = Pick<World, "runs" | "steps" | "hooks" | "events">;

/** What storing an event answers: the event and the records it changed. */
export type EventResult = Awaited<ReturnType<World["events"]["create"]>>;

/** A request to store an event, as the engine makes it. */
export interface EventRequest {
  eventType: string;
  correlationId?: string;
  eventData?: Record<string, unknown>;
}

/** An event that is to be stored. */
interface Asked {
  runId: string | null;
  request: EventRequest;
  params: object | undefined;
}

/** Stores an event. */
export type CreateEvent = (
  runId: string | null,
  request: EventRequest,
  params?: object,
) => Promise<EventResult>;

/** What storing events needs. */
export interface EventsOptions {
  /** The engine's storage on the pool. */
  storage: Storage;
  pool: StoragePool;
  messages: Pick<Messages, "spare">;
  queue: Pick<PostgresQueue, "created" | "ended">;
  /** Stores what a run is found by, in the transaction of its creation and of its end. */
  label: Labels["store"];
  /** Told of a run's end. */
  ended: (runId: string) => void;
  /** For how long it is tried while Postgres is away. */
  patience: { limit: number; signal: AbortSignal };
}

/**
 * Events with which the engine takes note of its own progress. A crash of Postgres may undo the last of them, with
 * all that came of them, since what is not flushed is lost in its order; their messages are then delivered again.
 */
const progress = new Set(["step_created", "step_completed", "step_failed", "step_retrying"]);

/** An event stored a moment later than this is followed by its message, which then brings the wake-up forward. */
const EXPECTED_WITHIN = "interval '1 second'";

/**
 * Has each event stored in one transaction with all that it changes, those of a run one after another over all
 * processes, and again where Postgres went away; what is not known to be stored is looked for first.
 */
export function createEvents(options: EventsOptions): CreateEvent {
  const { storage, pool, messages, queue, patience } = options;
  const groups = createGroups<Asked, EventResult>(storeGroup);
  const runningRuns = createRecent();
  const create = storage.events.create as unknown as CreateEvent;

  /** Stores events of a run, and with them what must not get lost between one and the engine's own message. */
  async function store(asked: readonly Asked[]): Promise<PromiseSettledResult<EventResult>[]> {
    const { runId } = asked[0]!;
    const locks = runId ? [`run:${runId}`] : [];
    for (const { eventType, eventData } of asked.map(({ request }) => request)) {
      // Looked for and taken by two statements.
      if (eventType === "hook_created") locks.push(`token:${String(eventData?.["token"])}`);
    }
    const begin = locks.map((lock) => `SELECT pg_advisory_xact_lock(${hash(lock)});`);
    if (asked.every(({ request }) => progress.has(request.eventType))) {
      begin.unshift("SET LOCAL synchronous_commit TO off;");
    }
    return pool.inTransaction(begin.join(" "), async () => {
      const [last, ...results] = await Promise.allSettled([
        runId ? lastEventOf(pool, runId) : undefined,
        ...asked.map(storeOne),
      ]);
      for (const result of [last, ...results]) {
        if (result.status === "rejected") throw result.reason;
      }
      checkOrder((last as PromiseFulfilledResult<string | undefined>).value, results);
      return results;
    });
  }

  async function storeOne({ runId, request, params }: Asked): Promise<EventResult> {
    const storing = create(runId, request, params);
    const [stored, ...beside] = await Promise.allSettled([
      storing,
      follow(runId, request, storing),
      takeClaims(pool.query, params, async () => runId ?? (await storing).run!.runId),
      label(request, storing),
    ]);
    if (stored.status === "rejected") throw stored.reason;
    for (const one of beside) if (one.status === "rejected") throw one.reason;
    return stored.value;
  }

  async function label({ eventType }: EventRequest, storing: Promise<EventResult>): Promise<void> {
    if (eventType !== "run_created" && !endOfRun.test(eventType)) return;
    const { run } = await storing;
    if (run) await options.label(pool.query, run);
  }

  /** What must not get lost between an event and the engine's own message, and what is of no use after it. */
  async function follow(
    runId: string | null,
    { eventType, eventData }: EventRequest,
    storing: Promise<EventResult>,
  ): Promise<void> {
    if (eventType === "run_created") {
      const id = runId ?? (await storing).run!.runId;
      await expectWakeUp(id, String(eventData?.["workflowName"]));
    } else if (eventType === "hook_received") {
      const run = await storage.runs.get(runId!, { resolveData: "none" });
      await expectWakeUp(runId!, run.workflowName);
    } else if (endOfRun.test(eventType)) await pool.query(FORGET, [runId]);
  }

  async function expectWakeUp(runId: string, workflowName: string): Promise<void> {
    const queueName = `${flowPrefix()}${workflowName}`;
    await pool.query(EXPECT, [runId, `msg_${randomUUID()}`, queueName, JSON.stringify({ runId })]);
  }

  /** Stores several in one, or, where one of them is refused, each by itself. */
  async function storeGroup(asked: readonly Asked[]): Promise<PromiseSettledResult<EventResult>[]> {
    let unknown = false;
    if (asked.length > 1) {
      try {
        return await store(asked);
      } catch (error) {
        unknown = error instanceof CommitUnknown;
      }
    }
    const results: PromiseSettledResult<EventResult>[] = [];
    for (const one of asked) {
      const [result] = await Promise.allSettled([storePatiently(one, unknown)]);
      results.push(result);
    }
    return results;
  }

  async function storePatiently(asked: Asked, maybeStored: boolean): Promise<EventResult> {
    const { runId, request } = asked;
    let unknown = maybeStored;
    const attempt = async (): Promise<EventResult> => {
      const known = unknown && (await lookFor(storage, runId!, request));
      if (known) return known;
      try {
        const [result] = await store([asked]);
        return (result as PromiseFulfilledResult<EventResult>).value;
      } catch (error) {
        if (error instanceof CommitUnknown) unknown = true;
        throw error;
      }
    };
    // A payload more could not be told from one stored twice, nor a run whose id nobody knows.
    const once = request.eventType === "hook_received" || !runId;
    const again = (error: unknown): boolean => isOfDatabase(error) && !(once && unknown);
    return patiently(() => inOrder(attempt), again, patience);
  }

  /**
   * The start of a step whose last delivery was cut off, by a crash or at the end of a process, is the same attempt.
   * A step that must not be retried is the exception: it had begun, and the engine fails it without running it.
   */
  async function sparedOf(runId: string, stepId: string): Promise<number> {
    const claim = currentDelivery()?.claim;
    if (!claim || claim.runId !== runId || claim.name !== `step-${stepId}`) return 0;
    if (claim.cut) {
      const step = await storage.steps.get(runId, stepId);
      claim.cut = false;
      const { maxRetries } = (getStepFunction(step.stepName) ?? {}) as { maxRetries?: number };
      if (step.status === "running" && maxRetries !== 0) {
        claim.spared++;
        await messages.spare(claim, claim.spared);
      }
    }
    return claim.spared;
  }

  return async (runId, request, params) => {
    const { eventType, correlationId } = request;
    if (eventType === "run_started" && runId && runningRuns.has(runId)) {
      const running = await readRunning(storage, runId);
      if (running) return running;
    }
    const starts = eventType === "step_started" && runId && correlationId;
    const spared = starts ? await sparedOf(runId, correlationId) : 0;
    const joins =
      progress.has(eventType) || eventType === "step_started" ? correlationId : undefined;
    const result = await groups.add(runId ?? randomUUID(), joins, { runId, request, params });
    const { run, step } = result;
    if (eventType === "run_created") queue.created(run!.runId);
    if (eventType === "run_started" && run?.status === "running") runningRuns.add(run.runId);
    if (runId && endOfRun.test(eventType)) {
      runningRuns.delete(runId);
      options.ended(runId);
    }
    if (/^step_(?:completed|failed)$/.test(eventType)) queue.ended(correlationId!);
    if (!step || spared === 0) return result;
    return { ...result, step: { ...step, attempt: Math.max(1, step.attempt - spared) } };
  };
}

const endOfRun = /^run_(?:completed|failed|cancelled)$/;

/** The prefix of workflows' queues, with the namespace that the engine's own names have. */
export function flowPrefix(): string {
  const namespace = process.env["WORKFLOW_QUEUE_NAMESPACE"];
  return namespace === undefined ? "__wkf_workflow_" : `__${namespace}_wkf_workflow_`;
}

/** A number for an advisory lock. */
function hash(text: string): bigint {
  return createHash("sha256").update(text).digest().readBigInt64BE();
}

const EXPECT = `
INSERT INTO orchestrator.messages AS m (run_id, name, kind, message_id, queue_name, payload, carries, due)
VALUES ($1, '${WAKE_UP}', 'flow', $2, $3, $4, false, now() + ${EXPECTED_WITHIN})
ON CONFLICT (run_id, name) DO UPDATE SET version = m.version + 1,
  due = CASE WHEN m.holder IS NULL THEN least(m.due, excluded.due) ELSE m.due END`;

/** Nothing is to be delivered to a run that has ended. */
const FORGET = "DELETE FROM orchestrator.messages WHERE run_id = $1 AND holder IS NULL";
