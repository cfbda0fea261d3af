import { depthLimit, depthOf, parseJson } from "../core/body.ts";
import { isPlainObject, sanitizeResult } from "../core/runner-result.ts";
import type { JsonObject, RunnerResult } from "../types/index.ts";

/** What is left for details in a reply that others can read: they are its fifth level. */
const detailsDepth = depthLimit - 4;

/**
 * What goes on the wire for what a runner returned: details that are not a plain object are
 * dropped, an unknown status is an error, and the name and duration are filled in.
 */
export function toResult(name: string, outcome: unknown, durationMs: number): RunnerResult {
  if (typeof outcome !== "object" || outcome === null) {
    return toErrorResult(name, new TypeError(`Runner "${name}" returned no result`), durationMs);
  }
  const given = outcome as Partial<Record<keyof RunnerResult, unknown>>;
  let details: JsonObject | undefined;
  try {
    details = snapshot(given.details);
  } catch (error) {
    const reason = `The details of runner "${name}" cannot be sent as JSON: ${messageOf(error)}`;
    return toErrorResult(name, new TypeError(reason), durationMs);
  }
  const { status, errorMessage } = given;
  const sent = { name: given.name, status, details, errorMessage, durationMs: given.durationMs };
  const result = sanitizeResult(sent, name);
  result.durationMs ??= durationMs;
  return result;
}

/** The result of a runner that threw or ran out of time, under the runner's own name. */
export function toErrorResult(name: string, error: unknown, durationMs: number): RunnerResult {
  return { name, status: "error", errorMessage: messageOf(error), durationMs };
}

/** The details as JSON carries them, so that nothing can change or break them later. */
function snapshot(details: unknown): JsonObject | undefined {
  if (!isPlainObject(details)) return undefined;
  const text = JSON.stringify(details) ?? "null";
  if (depthOf(text) > detailsDepth) {
    throw new RangeError(`they are nested deeper than ${detailsDepth} levels`);
  }
  const copy = parseJson(text);
  return isPlainObject(copy) ? copy : undefined;
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message || error.name;
  if (typeof error !== "object" || error === null) return String(error);
  const { message } = error as { message?: unknown };
  return typeof message === "string" ? message : "Threw an object that is not an Error";
}
