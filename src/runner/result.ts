import type { JsonObject, RunnerResult } from "../types/index.ts";

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
  const known = isStatus(given.status);
  const errorMessage =
    typeof given.errorMessage === "string"
      ? given.errorMessage
      : known
        ? undefined
        : `Runner "${name}" returned an unknown status: ${String(given.status)}`;
  return {
    name: typeof given.name === "string" && given.name !== "" ? given.name : name,
    status: known ? (given.status as RunnerResult["status"]) : "error",
    ...(details && { details }),
    ...(errorMessage !== undefined && { errorMessage }),
    durationMs: isDuration(given.durationMs) ? given.durationMs : durationMs,
  };
}

/** The result of a runner that threw or ran out of time, under the runner's own name. */
export function toErrorResult(name: string, error: unknown, durationMs: number): RunnerResult {
  return { name, status: "error", errorMessage: messageOf(error), durationMs };
}

function isStatus(value: unknown): value is RunnerResult["status"] {
  return value === "pass" || value === "fail" || value === "error";
}

function isDuration(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

/** The details as JSON carries them, so that nothing can change or break them later. */
function snapshot(details: unknown): JsonObject | undefined {
  if (!isPlainObject(details)) return undefined;
  const copy: unknown = JSON.parse(JSON.stringify(details) ?? "null");
  return isPlainObject(copy) ? copy : undefined;
}

function isPlainObject(value: unknown): value is JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // The second case is another realm's `Object.prototype`.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message || error.name;
  if (typeof error !== "object" || error === null) return String(error);
  const { message } = error as { message?: unknown };
  return typeof message === "string" ? message : "Threw an object that is not an Error";
}
