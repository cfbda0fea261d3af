import { OrchestratorError } from "./errors.ts";

/**
 * The text of a value that is the same when it is read again; `undefined` alone has none.
 *
 * @param what what the value is, for the error
 * @throws OrchestratorError `NOT_JSON`, naming the place of what JSON cannot say
 */
export function jsonText(value: unknown, what: string): string | undefined {
  if (value === undefined) return undefined;
  check(value, "", what, new Set());
  return JSON.stringify(value);
}

function check(value: unknown, path: string, what: string, above: Set<object>): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number" && Number.isFinite(value)) return;
  if (typeof value !== "object") throw refusal(describe(value), path, what);
  if (above.has(value)) throw refusal("a reference to itself", path, what);
  above.add(value);
  if (Array.isArray(value)) {
    value.forEach((item, index) => check(item, `${path}[${index}]`, what, above));
  } else {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      throw refusal(`a ${value.constructor?.name || "class instance"}`, path, what);
    }
    for (const [key, item] of Object.entries(value)) {
      // A property that is not there is what JSON makes of it too.
      if (item !== undefined) check(item, `${path}.${key}`, what, above);
    }
  }
  above.delete(value);
}

function describe(value: unknown): string {
  if (typeof value === "number") return String(value);
  return value === undefined ? "undefined" : `a ${typeof value}`;
}

function refusal(found: string, path: string, what: string): OrchestratorError {
  return new OrchestratorError(
    "NOT_JSON",
    `${what} must be JSON: ${path === "" ? "it" : path.replace(/^\./, "")} is ${found}`,
  );
}
