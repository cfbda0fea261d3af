import { createHash, randomUUID } from "node:crypto";
import { createQueueHandlers } from "../core/queue-handlers.ts";
import {
  decodeMessage,
  encodeMessage,
  handleRequest,
  type MessageHandler,
  parseQueueName,
  runIdOf,
} from "../core/queue-requests.ts";
import { createBatches } from "./batches.ts";
import type { Database } from "./database.ts";
import { createDispatcher } from "./dispatcher.ts";
import type { Dispatcher } from "./dispatcher-parts.ts";
import { type Claim, keyOf, type Messages, type NewMessage } from "./messages.ts";
import { WAKE_UP } from "./message-statements.ts";
import { createRecent } from "./recent.ts";

/** The queue of a World on Postgres. */
export interface PostgresQueue {
  queue(
    queueName: string,
    payload: unknown,
    options?: { idempotencyKey?: string; delaySeconds?: number },
  ): Promise<{ messageId: string | null }>;
  createQueueHandler(
    prefix: string,
    handler: MessageHandler,
  ): (request: Request) => Promise<Response>;
  /** Has messages of a prefix handled by a `fetch`-like function, as `core/queue-handlers.ts` says. */
  registerHandler(
    prefix: string,
    handler: (request: Request) => Promise<Response>,
    options?: { always?: boolean },
  ): void;
  /** Notes that a run has been stored, so that its first message need not carry its input too. */
  created(runId: string): void;
  /** Notes that a step has ended, so that a message for it is dropped. */
  ended(stepId: string): void;
  /** Looks for messages that are due. */
  look: Dispatcher["look"];
  start: Dispatcher["start"];
  drain: Dispatcher["drain"];
  stop: Dispatcher["stop"];
  counts: Dispatcher["counts"];
}

/** What a queue needs. */
export interface QueueSettings {
  database: Pick<Database, "listen" | "losses">;
  messages: Messages;
  limits: { flows: number; steps: number };
  retryDelay?: (attempt: number) => number;
}

/** Makes the queue; nothing is delivered before it is started. */
export function createQueue(settings: QueueSettings): PostgresQueue {
  const { database, messages, limits } = settings;
  const { retryDelay = (attempt) => Math.min(60_000, 250 * 2 ** (attempt - 1)) } = settings;
  const handlers = createQueueHandlers();
  const createdRuns = createRecent();
  const endedSteps = createRecent();
  const dispatcher = createDispatcher({
    database,
    messages,
    handlers,
    limits,
    retryDelay,
    wake: async ({ queueName, payload }) => void (await wake(queueName, decodeMessage(payload))),
    wakeRun,
  });
  const put = createBatches<NewMessage>(putAll);

  /** What is remembered of a step's end: a crash of Postgres may undo it. */
  const endOf = (stepId: string): string => `${stepId} ${database.losses()}`;

  async function putAll(items: NewMessage[]): Promise<void> {
    const batch = [...merged(items).values()];
    for (const message of batch) message.hold = message.delayMs <= 0 && dispatcher.reserve(message);
    const places = batch.filter(({ hold }) => hold);
    let claims: Claim[] = [];
    try {
      claims = await messages.put(batch);
    } finally {
      const held = new Set(claims.map(keyOf));
      for (const message of places) if (!held.has(keyOf(message))) dispatcher.release(message.kind);
    }
    for (const claim of claims) dispatcher.deliver(claim);
    for (const { delayMs } of batch) if (delayMs > 0) dispatcher.schedule(delayMs);
  }

  function newMessage(
    queueName: string,
    payload: unknown,
    name: string | undefined,
    delayMs = 0,
  ): NewMessage {
    const messageId = `msg_${randomUUID()}`;
    const { kind } = parseQueueName(queueName);
    const runId = runIdOf(payload) ?? "-";
    return {
      runId,
      name: name ?? messageId,
      kind: kind === "workflow" && runId !== "-" ? (name ? "flow" : "later") : "step",
      messageId,
      queueName,
      payload: encodeMessage(payload),
      carries: carries(payload),
      delayMs,
      hold: false,
    };
  }

  /** A run has one wake-up; another call of it adds to that one what it carries. */
  async function wake(queueName: string, payload: unknown): Promise<string> {
    const { runInput, ...rest } = payload as Record<string, unknown> & { runId: string };
    const known = runInput === undefined || createdRuns.has(rest.runId);
    const message = newMessage(queueName, known ? rest : payload, WAKE_UP);
    const delivery = dispatcher.underWay(keyOf(message));
    if (!delivery) await put(message);
    // It is held here, and so is delivered again by whoever holds it, in this life or the next.
    else if (delivery.again === undefined || message.carries) delivery.again = message.payload;
    return message.messageId;
  }

  async function wakeRun({ runId, queueName, payload }: Claim): Promise<void> {
    if (runId === "-") return;
    const { prefix, kind } = parseQueueName(queueName);
    if (kind === "workflow") return void (await wake(queueName, { runId }));
    const { workflowName } = decodeMessage(payload) as { workflowName?: unknown };
    if (typeof workflowName !== "string") return;
    await wake(prefix.replace(/step_$/, "workflow_") + workflowName, { runId });
  }

  /** A message whose key is queued or executing, or whose step has ended, is dropped. */
  async function putKeyed(
    queueName: string,
    payload: unknown,
    idempotencyKey: string,
    delayMs: number,
  ): Promise<string | null> {
    const { stepId } = payload as { stepId?: unknown };
    if (typeof stepId === "string" && endedSteps.has(endOf(stepId))) return null;
    const name = `step-${isShort(idempotencyKey) ? idempotencyKey : hash(idempotencyKey)}`;
    const message = { ...newMessage(queueName, payload, name, delayMs), kind: "step" as const };
    if (dispatcher.underWay(keyOf(message))) return null;
    await put(message);
    return message.messageId;
  }

  return {
    async queue(queueName, payload, options = {}) {
      const { kind } = parseQueueName(queueName);
      const delayMs = Math.max(0, options.delaySeconds ?? 0) * 1000;
      if (options.idempotencyKey !== undefined) {
        return { messageId: await putKeyed(queueName, payload, options.idempotencyKey, delayMs) };
      }
      if (kind === "workflow" && delayMs === 0 && runIdOf(payload) !== undefined) {
        return { messageId: await wake(queueName, payload) };
      }
      const message = newMessage(queueName, payload, undefined, delayMs);
      await put(message);
      return { messageId: message.messageId };
    },
    createQueueHandler(prefix, handler) {
      handlers.add(prefix, handler);
      dispatcher.look();
      return (request) => handleRequest(prefix, handler, request);
    },
    registerHandler(prefix, handler, options) {
      handlers.addRequest(prefix, handler, options);
      dispatcher.look();
    },
    created: createdRuns.add,
    ended: (stepId) => endedSteps.add(endOf(stepId)),
    look: dispatcher.look,
    start: dispatcher.start,
    drain: dispatcher.drain,
    stop: dispatcher.stop,
    counts: dispatcher.counts,
  };
}

/** Messages of one name become one, as a statement changes no row twice. */
function merged(items: readonly NewMessage[]): Map<string, NewMessage> {
  const byKey = new Map<string, NewMessage>();
  for (const item of items) {
    const key = keyOf(item);
    const before = byKey.get(key);
    if (!before || (item.carries && item.name === WAKE_UP)) byKey.set(key, item);
  }
  return byKey;
}

/** Whether a wake-up says more than that the run is to go on. */
function carries(payload: unknown): boolean {
  const { runInput, replayDivergence, serverErrorRetryCount } = payload as Record<string, unknown>;
  return [runInput, replayDivergence, serverErrorRetryCount].some((value) => value !== undefined);
}

function isShort(text: string): boolean {
  return text.length <= 255 && !text.includes("\0");
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
