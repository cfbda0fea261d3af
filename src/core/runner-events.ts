import type { CheckpointEntry, LogEntry } from "../types/journal.ts";
import type { JsonObject, RunnerEvent } from "../types/runner.ts";
import { depthLimit, depthOf, parseJson } from "./body.ts";
import { checkpointLimits, typeProblem } from "./checkpoint.ts";
import { isPlainObject } from "./runner-result.ts";

/** The most that one execution may tell; what is more is dropped. */
export const eventLimits: {
  readonly checkpoints: number;
  readonly logs: number;
  /** Of all events together, each as a line of JSON. */
  readonly bytes: number;
  /** Bytes of a checkpoint's data, and of what comes with a log line, as JSON. */
  readonly dataBytes: number;
  /** Levels of both, which are left in an answer that others can read. */
  readonly dataDepth: number;
  /** Characters of a log line's message; a longer one is cut. */
  readonly message: number;
} = {
  checkpoints: 1000,
  logs: 1000,
  bytes: 1024 * 1024,
  dataBytes: 64 * 1024,
  dataDepth: depthLimit - 4,
  message: 10_000,
};

/** What a job's runner told, as it is journalled. */
export type EventEntry = (CheckpointEntry | LogEntry) & { jobId: string };

/** Bytes of a text in UTF-8, counted without what a workflow's code has not. */
export function bytesOf(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 0x7f) bytes++;
    // The two halves of a surrogate pair have two bytes each.
    if (unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff)) bytes++;
  }
  return bytes;
}

/**
 * A checkpoint's type and data, which nothing can change or break later.
 *
 * @throws TypeError that names the argument and what it should be
 */
export function checkCheckpoint(type: string, data: unknown): { type: string; data?: unknown } {
  const problem = typeProblem(type);
  if (problem !== undefined) throw new TypeError(`ctx.checkpoint: type ${problem}`);
  if (data === undefined) return { type };
  try {
    return { type, data: snapshot(data) };
  } catch (error) {
    throw new TypeError(`ctx.checkpoint: data ${(error as Error).message}`, { cause: error });
  }
}

/**
 * A value as JSON carries it.
 *
 * @throws Error that says what it must be instead
 */
export function snapshot(
  value: unknown,
  replacer?: (key: string, value: unknown) => unknown,
): unknown {
  const text = stringify(value, replacer);
  const problem = sizeProblem(text);
  if (problem !== undefined) throw new Error(problem);
  return parseJson(text);
}

/** A log line's message, at most as long as it may be. */
export function cutMessage(message: string): string {
  const { message: limit } = eventLimits;
  return message.length > limit ? `${message.slice(0, limit - 1)}…` : message;
}

/** What an event is known by: a line that is logged has no id of its own. */
export function eventKey(event: LogEntry | RunnerEvent | CheckpointEntry): string {
  return "message" in event ? `${event.at} ${event.runner} ${event.message}` : event.id;
}

/** Counts the events of one execution against what it may tell. */
export interface EventBounds {
  /** Whether the event, with its bytes as a line, still fits; it is counted either way. */
  admit(event: RunnerEvent, bytes: number): boolean;
  /** What did not fit. */
  readonly dropped: { checkpoints: number; logs: number };
}

/** @param spare log lines that are admitted beyond, for the one that tells of what was dropped */
export function createEventBounds(spare = 0): EventBounds {
  const left = {
    checkpoints: eventLimits.checkpoints,
    logs: eventLimits.logs + spare,
    bytes: eventLimits.bytes + spare * 1024,
  };
  const dropped = { checkpoints: 0, logs: 0 };
  return {
    dropped,
    admit({ event }, bytes) {
      const kind = event === "log" ? "logs" : "checkpoints";
      if (left[kind] === 0 || bytes > left.bytes) {
        dropped[kind]++;
        return false;
      }
      left[kind]--;
      left.bytes -= bytes;
      return true;
    },
  };
}

/** An event as it should be, whatever a server sent; undefined for what is none. */
export function sanitizeEvent(value: JsonObject): RunnerEvent | undefined {
  const { event, at, id, type, data, message, meta, runner } = value;
  if (!isTime(at)) return undefined;
  const time = Math.floor(at);
  const from = typeof runner === "string" ? runner.slice(0, checkpointLimits.type) : "unknown";
  if (event === "log" && typeof message === "string") {
    const kept = isPlainObject(meta) && isSmall(meta) ? { meta } : {};
    return { event, at: time, message: cutMessage(message), ...kept, runner: from };
  }
  if (event !== "checkpoint" || typeof type !== "string" || typeProblem(type)) return undefined;
  if (typeof id !== "string" || !isUuid(id)) return undefined;
  if (data !== undefined && !isSmall(data)) return undefined;
  return { event, id, at: time, type, ...(data !== undefined && { data }), runner: from };
}

/**
 * Passes on what the attempts of a job tell, each event once: a server that is asked again under the
 * same key tells again what it told the first time. Answers a listener for each attempt.
 */
export function eventsOnce(
  onEvent: (event: RunnerEvent) => void,
): () => (event: RunnerEvent) => void {
  const told = new Map<string, number>();
  return () => {
    // A line may be logged twice in a millisecond, so that only its further occurrences are new.
    const own = new Map<string, number>();
    return (event) => {
      const key = eventKey(event);
      const count = (own.get(key) ?? 0) + 1;
      own.set(key, count);
      if (count <= (told.get(key) ?? 0)) return;
      told.set(key, count);
      onEvent(event);
    };
  };
}

/** The journal's entry of what a runner told. A clock that is ahead must not move the run's times. */
export function entryOf(event: RunnerEvent, jobId: string, now: number): EventEntry {
  const at = Math.min(event.at, now);
  if (event.event === "log") {
    const { message, meta, runner } = event;
    return { type: "log", at, message, ...(meta && { meta }), jobId, runner };
  }
  const { id, type: kind, data, runner } = event;
  return { type: "checkpoint", id, at, kind, ...(data !== undefined && { data }), jobId, runner };
}

function stringify(value: unknown, replacer?: (key: string, value: unknown) => unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, replacer);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`must be JSON: ${reason}`, { cause });
  }
  if (text === undefined) throw new Error(`must be JSON (got ${typeof value})`);
  return text;
}

/** Why JSON is too much for one event; undefined where it is not. */
function sizeProblem(text: string): string | undefined {
  const { dataBytes, dataDepth } = eventLimits;
  const bytes = bytesOf(text);
  if (bytes > dataBytes) return `must have at most ${dataBytes} bytes as JSON (got ${bytes})`;
  return depthOf(text) > dataDepth ? `must have at most ${dataDepth} levels` : undefined;
}

function isSmall(data: unknown): boolean {
  return sizeProblem(JSON.stringify(data)) === undefined;
}

/** Whether it is a time that a `Date` can have. */
function isTime(at: unknown): at is number {
  return typeof at === "number" && at >= 0 && at <= 8.64e15;
}

function isUuid(id: string): boolean {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id);
}
