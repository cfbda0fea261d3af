import { runLimits } from "../core/run-limits.ts";
import { HttpProblem } from "./errors.ts";
import { badField } from "./start-request.ts";

/** Seconds a poll may wait at most. */
const longestWait = 300;

/**
 * The `Idempotency-Key` header's value, or undefined without one.
 *
 * @throws HttpProblem 400
 */
export function idempotencyKey(headers: Headers): string | undefined {
  const key = headers.get("idempotency-key");
  if (key === null) return undefined;
  if (/^[\x21-\x7E]{1,255}$/.test(key)) return key;
  throw badField("Idempotency-Key", "must be 1 to 255 visible ASCII characters");
}

/**
 * Seconds of a `?wait=`; 0 without one.
 *
 * @throws HttpProblem 400
 */
export function waitSeconds(text: string | null): number {
  if (text === null) return 0;
  const seconds = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && seconds <= longestWait) return seconds;
  throw badField("wait", `must be a number of seconds from 0 to ${longestWait} (got "${text}")`);
}

/** Whether a run may have this id, the engine's or a caller's own; what is none reaches no storage. */
export function isRunId(id: string): boolean {
  return id.length <= runLimits.runId && /^[A-Za-z0-9._~-]+$/.test(id);
}

/**
 * Refuses a request whose address cannot be read, which h3 would do in a form of its own or not at all.
 *
 * @throws HttpProblem 400
 */
export function assertReadable({ url }: Pick<Request, "url">): void {
  if (!URL.canParse(url)) throw new HttpProblem(400, "The Host header is not valid");
  try {
    decodeURI(new URL(url).pathname);
  } catch {
    throw new HttpProblem(400, "The path is not valid percent encoding");
  }
}

/** Whether a method is answered as `GET` is. */
export function isGet(method: string): boolean {
  return method === "GET" || method === "HEAD";
}
