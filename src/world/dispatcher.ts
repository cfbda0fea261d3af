import { parseQueueName } from "../core/queue-requests.ts";
import { longestTimer } from "../core/sleep.ts";
import { copy } from "./copy.ts";
import { keys } from "./keys.ts";
import { type Message, messageWrites, runOfKey, WAKE_UP } from "./messages.ts";
import type { Store } from "./store.ts";
import type { QueueHandler } from "./types.ts";

/** Delivers messages that are stored. */
export interface Dispatcher {
  /** Has the message of a key delivered as soon as its run's turn comes; `payload` stands for the stored one. */
  offer(key: string, payload?: Record<string, unknown>): void;
  /** Looks at a time for messages that are due. */
  schedule(due: number): void;
  /** What is under way for a run. */
  lane(runId: string): Readonly<Lane> | undefined;
  /** True while no other run has anything under way. */
  isAlone(runId: string): boolean;
  /** Notes that the replay under way has been given all that its run's wake-up stands for. */
  handedOver(runId: string): void;
  /** Tells that a handler has come for which messages may have waited. */
  handlerAdded(): void;
  start(): void;
  stop(): void;
  counts(): { delivering: number; ready: number; nextDue: number | undefined };
}

/** What is under way for one run. Its replays follow one another, its steps run side by side. */
export interface Lane {
  replays: string[];
  steps: string[];
  /** The replay under way. */
  replaying?: Delivery;
  stepsRunning: number;
  /** True when the engine drives the run here, so that its next moves are known. */
  driven: boolean;
  /** True when its messages carry a trace, which the engine's own next message continues. */
  traced: boolean;
}

/** A delivery under way. */
export interface Delivery {
  key: string;
  message: Message;
  /** The version of the message that it settles. */
  version: number;
  handedOver: boolean;
}

/** What a dispatcher needs. */
export interface DispatcherOptions {
  store: Store;
  now: () => number;
  stepsPerRun: number;
  retryDelay: (attempt: number) => number;
  handlerOf: (queueName: string) => QueueHandler | undefined;
}

/** What became of a delivery: done, or to be made again. */
type Outcome = { done: true } | { done: false; attempt: number; due: number };

/**
 * Postponing a message is a delivery too, but a workflow may sleep as often as it likes: postponing alone
 * does not come near the 48 deliveries at which the engine gives up.
 */
const MAX_POSTPONED_ATTEMPT = 24;

/** Makes a dispatcher; nothing is delivered before it is started. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { store, now, stepsPerRun, retryDelay, handlerOf } = options;
  const lanes = new Map<string, Lane>();
  /** Keys that wait in a lane, with the payload to deliver when it is not the stored one. */
  const waiting = new Map<string, Record<string, unknown> | undefined>();
  /** Keys under way; true when the message was offered again meanwhile. */
  const underWay = new Map<string, boolean>();
  let running = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerDue = Infinity;

  function offer(key: string, payload?: Record<string, unknown>): void {
    if (underWay.has(key)) {
      underWay.set(key, true);
      return;
    }
    const known = waiting.has(key);
    waiting.set(key, payload);
    if (known) return;
    const runId = runOfKey(key);
    let lane = lanes.get(runId);
    if (!lane) lanes.set(runId, (lane = newLane()));
    (isReplay(key) ? lane.replays : lane.steps).push(key);
    pump(lane);
  }

  function pump(lane: Lane): void {
    if (!running) return;
    while (!lane.replaying && lane.replays.length > 0 && deliver(lane, lane.replays)) continue;
    while (lane.stepsRunning < stepsPerRun && lane.steps.length > 0 && deliver(lane, lane.steps)) {
      continue;
    }
  }

  /** Delivers the first message of a lane; false when there is no handler for it yet. */
  function deliver(lane: Lane, keysWaiting: string[]): boolean {
    const key = keysWaiting[0]!;
    const message = store.get<Message>(key);
    const handler = message && handlerOf(message.queueName);
    if (message && !handler) return false;
    keysWaiting.shift();
    const payload = waiting.get(key) ?? message?.payload;
    waiting.delete(key);
    if (!message || !handler) return true;
    const delivery: Delivery = { key, message, version: message.version, handedOver: false };
    const replay = keysWaiting === lane.replays;
    if (replay) lane.replaying = delivery;
    else lane.stepsRunning++;
    lane.traced ||= Object.keys(payload?.["traceCarrier"] ?? {}).length > 0;
    underWay.set(key, false);
    void attempt(handler, message, copy(payload)).then((outcome) => {
      if (replay) delete lane.replaying;
      else lane.stepsRunning--;
      const offered = underWay.get(key) === true;
      underWay.delete(key);
      if (running) settle(delivery, outcome, offered);
      pump(lane);
      if (isIdle(lane) && lanes.get(runOfKey(key)) === lane) lanes.delete(runOfKey(key));
    });
    return true;
  }

  /** Calls a handler and reads from its answer, or from its failure, what is to be done. */
  async function attempt(
    handler: QueueHandler,
    { queueName, messageId, attempt: number }: Message,
    payload: unknown,
  ): Promise<Outcome> {
    try {
      const meta = { attempt: number, queueName, messageId } as Parameters<QueueHandler>[1];
      const answer = await handler(payload, meta);
      const seconds = answer?.timeoutSeconds;
      if (typeof seconds !== "number" || !(seconds >= 0)) return { done: true };
      const next = Math.min(number + 1, Math.max(number, MAX_POSTPONED_ATTEMPT));
      return { done: false, attempt: next, due: now() + seconds * 1000 };
    } catch (error) {
      if (running) {
        console.error(
          `[orchestrator] delivery ${number} of ${messageId} to ${queueName} failed`,
          error,
        );
      }
      return { done: false, attempt: number + 1, due: now() + retryDelay(number) };
    }
  }

  /** Removes a message that has been dealt with, and sees to one that is to be delivered again. */
  function settle({ key, version }: Delivery, outcome: Outcome, offered: boolean): void {
    const stored = store.get<Message>(key);
    // Removed by the event that ended the step or the run.
    if (!stored) return;
    let next: Message | undefined = stored;
    let ready = offered;
    if (stored.version === version) {
      const { expected: _, ...rest } = stored;
      next = outcome.done ? undefined : { ...rest, attempt: outcome.attempt, due: outcome.due };
      ready = false;
      // A failure to write ends all writing; whoever waits for one is told.
      store.write(messageWrites(key, stored, next), "patiently").catch(() => undefined);
    }
    if (!next) return;
    if (ready || next.due <= now()) offer(key);
    else schedule(next.due);
  }

  function schedule(due: number): void {
    if (!running || due >= timerDue) return;
    clearTimeout(timer);
    timerDue = due;
    timer = setTimeout(takeDue, Math.min(Math.max(0, due - now()), longestTimer));
    // Waiting for a time must not keep a process alive that has nothing else to do.
    timer.unref();
  }

  /** Offers what is due, and sets the timer to what comes next. */
  function takeDue(): void {
    timerDue = Infinity;
    const time = now();
    const due: string[] = [];
    let next: number | undefined;
    for (const { key, value } of store.range<string>({ prefix: keys.due })) {
      const at = Number(key.split("/")[1]);
      if (at > time) {
        next = at;
        break;
      }
      due.push(value);
    }
    for (const key of due) offer(key);
    if (next !== undefined) schedule(next);
  }

  return {
    offer,
    schedule,
    lane: (runId) => lanes.get(runId),
    isAlone: (runId) => lanes.size === 0 || (lanes.size === 1 && lanes.has(runId)),
    handedOver(runId) {
      const lane = lanes.get(runId);
      const replay = lane?.replaying;
      if (!lane || !replay) return;
      lane.driven = true;
      replay.handedOver = true;
      const key = keys.message(runId, WAKE_UP);
      if (replay.key === key) replay.version = store.get<Message>(key)?.version ?? replay.version;
    },
    handlerAdded() {
      for (const lane of lanes.values()) pump(lane);
    },
    start() {
      running = true;
      takeDue();
      for (const lane of lanes.values()) pump(lane);
    },
    stop() {
      running = false;
      clearTimeout(timer);
    },
    counts: () => ({
      delivering: underWay.size,
      ready: waiting.size,
      nextDue: Number.isFinite(timerDue) ? timerDue : undefined,
    }),
  };
}

function newLane(): Lane {
  return { replays: [], steps: [], stepsRunning: 0, driven: false, traced: false };
}

function isIdle({ replays, steps, replaying, stepsRunning }: Lane): boolean {
  return replays.length === 0 && steps.length === 0 && !replaying && stepsRunning === 0;
}

/** Messages of a run that go to its workflow are replays; those of no run are independent of each other. */
function isReplay(key: string): boolean {
  const [, runId, name] = key.split("/");
  return runId !== "-" && (name === WAKE_UP || name!.startsWith("flow-"));
}

/** The name of a message that is neither a run's one wake-up nor known by a key. */
export function messageName(queueName: string, messageId: string): string {
  return `${parseQueueName(queueName).kind === "workflow" ? "flow" : "other"}-${messageId}`;
}
