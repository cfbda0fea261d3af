import { isPlainObject } from "../core/runner-result.ts";
import { snapshot } from "../core/runner-events.ts";
import type { JsonObject } from "../types/index.ts";

/** Which execution a line belongs to. */
export interface LogOrigin {
  runner: string;
  runId?: string;
  region?: string;
}

/** One line of JSON for a runner's `ctx.log`; never throws, whatever `meta` holds. */
export function logLine(
  origin: LogOrigin,
  message: string,
  meta?: JsonObject,
  now: Date = new Date(),
): string {
  const fixed = { timestamp: now.toISOString(), ...origin, message: String(message) };
  try {
    // Twice: the first sets the order of the keys, the second keeps `meta` from replacing them.
    return JSON.stringify({ ...fixed, ...meta, ...fixed }, readable);
  } catch (error) {
    return JSON.stringify({ ...fixed, metaError: (error as Error).message });
  }
}

/** What comes with a line as it is sent, or why it cannot be; undefined for what is no object. */
export function logMeta(meta: unknown): JsonObject | undefined {
  if (meta === undefined) return undefined;
  try {
    const sent = snapshot(meta, readable);
    return isPlainObject(sent) ? sent : undefined;
  } catch (error) {
    return { metaError: (error as Error).message };
  }
}

/** Errors and big integers, which people log and JSON loses or refuses. */
function readable(_key: string, value: unknown): unknown {
  if (value instanceof Error) return { name: value.name, message: value.message };
  return typeof value === "bigint" ? value.toString() : value;
}
