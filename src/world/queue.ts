import { createQueueHandlers } from "../core/queue-handlers.ts";
import { handleRequest, parseQueueName } from "../core/queue-requests.ts";
import { copy } from "./copy.ts";
import { createDispatcher, type Dispatcher, messageName } from "./dispatcher.ts";
import { keys } from "./keys.ts";
import { type Message, messageWrites, runOf, stepMessageName, WAKE_UP } from "./messages.ts";
import { hasEnded, type Records } from "./records.ts";
import { stepHasEnded } from "./steps.ts";
import type { Store } from "./store.ts";
import type { EmbeddedWorld, QueueName, QueueOptions, World } from "./types.ts";

/** The queue of a World, with what events and recovery tell it. */
export interface Queue extends Pick<World, "queue" | "createQueueHandler"> {
  registerHandler: EmbeddedWorld["registerHandler"];
  /** Notes messages that an event of a run has caused; `atOnce` has them delivered although the engine has yet to queue them. */
  caused(runId: string, messageKeys: readonly string[], atOnce?: boolean): void;
  /** Notes that the replay under way has been given its run's whole log. */
  handedOver(runId: string): void;
  /** True while no other run has anything under way. */
  isAlone(runId: string): boolean;
  /** True while the engine replays a run and has its log. */
  isReplaying(runId: string): boolean;
  /** True while what an event of the run causes is delivered at once, without waiting for the engine to queue it. */
  goesOn(runId: string): boolean;
  start(): void;
  stop(): void;
  counts: Dispatcher["counts"];
}

/** What a queue needs. */
export interface QueueSettings {
  store: Store;
  records: Records;
  now: () => number;
  ulid: () => string;
  stepsPerRun: number;
  retryDelay: (attempt: number) => number;
}

type Queued = Awaited<ReturnType<World["queue"]>>;
type MessageId = NonNullable<Queued["messageId"]>;
type Payload = Record<string, unknown>;

/** Makes the queue over a store. */
export function createQueue(settings: QueueSettings): Queue {
  const { store, records, now, ulid } = settings;
  const handlers = createQueueHandlers();
  const dispatcher = createDispatcher({ ...settings, handlerOf: handlers.of });

  async function put(key: string, previous: Message | undefined, next: Message): Promise<Queued> {
    const durable = store.write(messageWrites(key, previous, next));
    // It may be delivered at once: whatever comes of it is written after it.
    if (next.due <= now()) dispatcher.offer(key);
    else dispatcher.schedule(next.due);
    await durable;
    return { messageId: next.messageId as MessageId };
  }

  function newMessage(queueName: QueueName, payload: Payload, options?: QueueOptions): Message {
    const delay = Math.max(0, options?.delaySeconds ?? 0) * 1000;
    return {
      messageId: `msg_${ulid()}`,
      queueName,
      payload,
      ...(options?.headers && { headers: { ...options.headers } }),
      attempt: 1,
      due: now() + delay,
      version: 1,
    };
  }

  /** A run has one wake-up; another call of it adds to that one what it carries. */
  async function wake(runId: string, message: Message): Promise<Queued> {
    const key = keys.message(runId, WAKE_UP);
    const stored = store.get<Message>(key);
    const run = records.run(runId);
    // The engine would find that the run has ended, and skip it.
    if (run && hasEnded(run)) return { messageId: null };
    if (run) delete message.payload["runInput"];
    if (!stored) return put(key, undefined, message);
    const { runInput, replayDivergence, serverErrorRetryCount } = message.payload;
    const carries = [runInput, replayDivergence, serverErrorRetryCount].some(
      (value) => value !== undefined,
    );
    const answer = { messageId: stored.messageId as MessageId };
    const replay = dispatcher.lane(runId)?.replaying;
    if (!carries && replay?.key === key) {
      // Something newer is stored already and comes next, or the replay has been given all that there is.
      if (stored.version !== replay.version) dispatcher.offer(key, message.payload);
      if (stored.version !== replay.version || replay.handedOver) return answer;
    } else if (!carries && (stored.expected || stored.due <= now())) {
      dispatcher.offer(key, message.payload);
      return answer;
    }
    return put(key, stored, {
      ...stored,
      queueName: message.queueName,
      payload: { ...stored.payload, ...message.payload },
      due: now(),
      version: stored.version + 1,
    });
  }

  /** A message whose key is queued or executing, or whose step has ended, is dropped. */
  async function putKeyed(
    runId: string,
    idempotencyKey: string,
    message: Message,
  ): Promise<Queued> {
    const key = keys.message(runId, stepMessageName(idempotencyKey));
    const stored = store.get<Message>(key);
    if (stored) {
      if (stored.expected) dispatcher.offer(key, message.payload);
      return { messageId: stored.messageId as MessageId };
    }
    const { stepId } = message.payload;
    const step = typeof stepId === "string" ? records.step(runId, stepId) : undefined;
    if (step && stepHasEnded(step)) return { messageId: null };
    return put(key, undefined, message);
  }

  function offerExpected(key: string): void {
    if (store.get<Message>(key)?.expected) dispatcher.offer(key);
  }

  function goesOn(runId: string): boolean {
    const lane = dispatcher.lane(runId);
    return lane !== undefined && lane.driven && !lane.traced;
  }

  return {
    async queue(queueName, payload, options) {
      const { kind } = parseQueueName(queueName);
      const message = newMessage(queueName, copy(payload) as Payload, options);
      const runId = runOf(payload);
      if (options?.idempotencyKey !== undefined) {
        return putKeyed(runId, options.idempotencyKey, message);
      }
      if (kind === "workflow" && runId !== "-" && message.due <= now()) return wake(runId, message);
      return put(
        keys.message(runId, messageName(queueName, message.messageId)),
        undefined,
        message,
      );
    },
    createQueueHandler(prefix, handler) {
      handlers.add(prefix, handler);
      dispatcher.handlerAdded();
      return (request) => handleRequest(prefix, handler, request);
    },
    registerHandler(prefix, handler, options) {
      handlers.addRequest(prefix, handler, options);
      dispatcher.handlerAdded();
    },
    caused(runId, messageKeys, atOnce = false) {
      for (const key of messageKeys) {
        const message = store.get<Message>(key);
        if (!message?.expected) continue;
        // The engine queues it a moment later; until then the disk and the processor work side by side.
        if (atOnce) dispatcher.offer(key);
        else if (!goesOn(runId)) dispatcher.schedule(message.due);
        // Steps that end in the same turn are one replay.
        else if (key.endsWith(`/${WAKE_UP}`)) setImmediate(offerExpected, key);
        else dispatcher.offer(key);
      }
    },
    handedOver: dispatcher.handedOver,
    isAlone: dispatcher.isAlone,
    goesOn,
    isReplaying: (runId) => dispatcher.lane(runId)?.replaying?.handedOver ?? false,
    start: dispatcher.start,
    stop: dispatcher.stop,
    counts: dispatcher.counts,
  };
}
