/** What the workflow `callback` is started with. */
export interface CallbackInput {
  /** The engine's id of the run whose end is told. */
  runId: string;
  url: string;
  /** Signs what is sent; stored nowhere else. */
  secret?: string;
}

/** What is told of a run's end: the same at each attempt. */
export interface CallbackMessage {
  /** The engine's id of the run. */
  runId: string;
  body: string;
  /** W3C trace context of the request that started the run. */
  traceparent?: string;
}

/** What there is to tell of a run. */
export type CallbackNews =
  | CallbackMessage
  /** It has been removed, and all that could be told with it. */
  | "gone"
  /** It has not ended. */
  | "going";

const prefix = "@runners/orchestrator//callback/";

/** The engine's token of the hook that waits for a run's end. */
export function callbackToken(runId: string): string {
  return `${prefix}${runId}`;
}

/** Id of the run whose end a token's hook waits for; undefined for a hook of another kind. */
export function parseCallbackToken(token: string): string | undefined {
  return token.startsWith(prefix) ? token.slice(prefix.length) : undefined;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** Milliseconds between one attempt and the next. */
const delays: readonly number[] = [
  5 * second,
  30 * second,
  2 * minute,
  10 * minute,
  30 * minute,
  hour,
  3 * hour,
  6 * hour,
];

/** Attempts that a callback gets. */
export const callbackAttempts: number = delays.length + 1;

/**
 * Milliseconds to wait after a failed attempt, a tenth more or less, so that callbacks that failed
 * together do not come back together. Longer where the receiver asks for it, up to the longest wait.
 *
 * @param attempt 1 for the first
 * @returns undefined after the last one
 */
export function callbackDelay(
  attempt: number,
  { retryAfter = 0, random = Math.random }: { retryAfter?: number; random?: () => number } = {},
): number | undefined {
  const delay = delays[attempt - 1];
  if (delay === undefined) return undefined;
  const asked = Math.min(retryAfter, delays.at(-1)!);
  return Math.round(Math.max(delay * (0.9 + 0.2 * random()), asked));
}
