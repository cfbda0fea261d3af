import { createHash } from "node:crypto";
import { WorkflowWorldError } from "workflow/internal/errors";

/**
 * Every key of the store. A part never contains the separator: ids are checked, texts of other people's choosing
 * are hashed, times have a fixed width, so that keys sort as their parts do.
 */
export const keys = {
  run: (runId: string) => `run/${runId}`,
  /** Where a list of runs lies, oldest first; one for every combination of filters. */
  runList: (filter: { workflowName?: string; status?: string }) =>
    `runs/${filter.workflowName === undefined ? "*" : hash(filter.workflowName)}/${filter.status ?? "*"}/`,
  /** Where the list of the runs with a label lies, oldest first. */
  labelList: (label: string) => `label/${hash(label)}/`,
  labelLists: "label/",
  /** Which labels the lists by label have, and up to when. */
  labels: "meta/labels",
  /** Ended runs by their end. */
  ended: "ended/",
  event: (runId: string, eventId: string) => `event/${runId}/${eventId}`,
  events: (runId: string) => `event/${runId}/`,
  step: (runId: string, stepId: string) => `step/${runId}/${stepId}`,
  /** Steps of a run by their creation. */
  stepList: (runId: string) => `steps/${runId}/`,
  hook: (hookId: string) => `hook/${hookId}`,
  /** Hooks by their creation, of a run or of all. */
  hookList: (runId?: string) => `hooks/${runId ?? "*"}/`,
  token: (token: string) => `token/${hash(token)}`,
  wait: (runId: string, waitId: string) => `wait/${runId}/${waitId}`,
  waits: (runId: string) => `wait/${runId}/`,
  /** Runs in which a correlation id occurs. */
  correlation: (correlationId: string, runId: string) => `correlation/${correlationId}/${runId}`,
  correlations: (correlationId: string) => `correlation/${correlationId}/`,
  message: (runId: string, name: string) => `message/${runId}/${name}`,
  messages: (runId: string) => `message/${runId}/`,
  /** Keys of messages by the time they are due. */
  due: "due/",
  stream: (name: string) => `stream/${hash(name)}`,
  streamList: (runId: string) => `streams/${runId}/`,
  streamOf: (runId: string, name: string) => `streams/${runId}/${hash(name)}`,
  chunk: (name: string, index: number) => `chunk/${hash(name)}/${number(index)}`,
  chunks: (name: string) => `chunk/${hash(name)}/`,
  claim: (key: string) => `claim/${hash(key)}`,
  /** Claims that a run was started under. */
  claimed: (runId: string) => `claimed/${runId}`,
  /** Ended runs whose streams are still open. */
  closing: (runId: string) => `closing/${runId}`,
  closings: "closing/",
  owner: "meta/owner",
  /** The time in the last event's id, below which no later id may fall. */
  clock: "meta/clock",
  format: "meta/format",
} as const;

/** A time or a count, as wide as the largest safe integer, so that text sorts like numbers. */
export function number(value: number): string {
  return String(Math.max(0, Math.floor(value))).padStart(16, "0");
}

/** A place in a list that is ordered by time and then by id. */
export function place(time: Date, id: string): string {
  return `${number(time.getTime())}/${id}`;
}

/** The last part of a key. */
export function lastPart(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** Refuses an id that could not be a part of a key. */
export function checkId(kind: string, id: string): void {
  if (isId(id)) return;
  throw new WorkflowWorldError(
    `Invalid ${kind} ${JSON.stringify(id)}: 1 to 255 printable ASCII characters without "/", "\\" and "."`,
    { status: 400 },
  );
}

/** True for text that can be a part of a key. */
export function isId(text: string): boolean {
  return /^[!-\-0-[\]-~]{1,255}$/.test(text);
}

const hashes = new Map<string, string>();

/** A part of a key for any text. Texts repeat (workflow names, streams), so the last few thousand are kept. */
export function hash(text: string): string {
  const known = hashes.get(text);
  if (known !== undefined) return known;
  const made = createHash("sha256").update(text).digest("base64url").slice(0, 27);
  if (hashes.size >= 4096) hashes.clear();
  hashes.set(text, made);
  return made;
}
