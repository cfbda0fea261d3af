import type { JsonObject, RunnerResult, RunnerSpec } from "../types/runner.ts";

/**
 * The results of an answer as they should be, whatever the server sent: in its order, each with a
 * name and a known status, and an `error` for every requested runner that it left out.
 */
export function sanitizeResults(
  values: readonly unknown[],
  runners: readonly (RunnerSpec | string)[],
): RunnerResult[] {
  const requested = runners.map((runner) => (typeof runner === "string" ? runner : runner.name));
  const results = values.map((value, index) => sanitizeResult(value, requested[index]));
  const lacking = requested.length - results.length;
  if (lacking <= 0) return results;
  // A runner may answer under another name: no more are missing than the counts say.
  const missing = without(
    requested,
    results.map(({ name }) => name),
  ).slice(-lacking);
  return [...results, ...missing.map((name) => unanswered(name))];
}

/** One result as it should be: a known status, plain details, and no key that is not in the contract. */
export function sanitizeResult(value: unknown, requestedName = "unknown"): RunnerResult {
  if (!isPlainObject(value)) {
    return { name: requestedName, status: "error", errorMessage: "The result is not an object" };
  }
  const { name, status, details, errorMessage, durationMs } = value;
  const known = status === "pass" || status === "fail" || status === "error";
  const message = known ? errorMessage : unknownStatus(status, errorMessage);
  return {
    name: typeof name === "string" && name !== "" ? name : requestedName,
    status: known ? status : "error",
    ...(isPlainObject(details) && { details }),
    ...(typeof message === "string" && { errorMessage: message }),
    ...(isDuration(durationMs) && { durationMs }),
  };
}

/** True for an object literal or parsed JSON object, also of another realm. */
export function isPlainObject(value: unknown): value is JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function isDuration(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function unanswered(name: string): RunnerResult {
  return {
    name,
    status: "error",
    errorMessage: `The server answered without a result for runner "${name}"`,
  };
}

function unknownStatus(status: unknown, errorMessage: unknown): string {
  const shown = JSON.stringify(status)?.slice(0, 100) ?? "none";
  const own = typeof errorMessage === "string" ? `: ${errorMessage}` : "";
  return `Unknown status ${shown}${own}`;
}

/** The names that are left when each of `taken` is crossed out once. */
function without(names: readonly string[], taken: readonly string[]): string[] {
  const left = [...names];
  for (const name of taken) {
    const index = left.indexOf(name);
    if (index !== -1) left.splice(index, 1);
  }
  return left;
}
