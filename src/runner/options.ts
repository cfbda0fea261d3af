import { longestTimer } from "../core/sleep.ts";
import { collectRunners, type RunnerCatalog } from "./catalog.ts";

/** Options of `createRunnerHandler`. */
export interface RunnerHandlerOptions {
  /** Runner functions by name, and their `<name>InputSchema`s, as in `import * as runners`. */
  runners: Record<string, unknown>;
  /** Region this server answers for; without one, each request names its own. */
  region?: string;
  /**
   * Path the handler is mounted at; a trailing slash is ignored.
   * @default "/api/runner"
   */
  base?: string;
  /**
   * Milliseconds one runner may take.
   * @default 30000
   */
  timeout?: number;
  /**
   * Most bytes of a request's body.
   * @default 1048576
   */
  bodyLimit?: number;
  /**
   * Epoch milliseconds, by which kept answers expire.
   * @default Date.now
   */
  now?: () => number;
}

/** The options as resolved: checked, defaults filled in. */
export interface RunnerServerOptions {
  catalog: RunnerCatalog;
  region?: string;
  base: string;
  timeout: number;
  bodyLimit: number;
  now: () => number;
}

/** @throws TypeError that names the field and what it should be. */
export function resolveOptions(options: RunnerHandlerOptions): RunnerServerOptions {
  if (typeof options !== "object" || options === null) {
    throw fault("options must be an object with `runners`", options);
  }
  const { region, base = "/api/runner", now = Date.now } = options;
  if (region !== undefined && (typeof region !== "string" || region === "")) {
    throw fault("options.region must be a non-empty string", region);
  }
  if (typeof base !== "string" || !/^(\/[^\s?#]*)?$/.test(base)) {
    throw fault("options.base must be a path that starts with a slash", base);
  }
  if (typeof now !== "function") throw fault("options.now must be a function", now);
  return {
    catalog: collectRunners(options.runners, `${prefix}options.runners`),
    ...(region !== undefined && { region }),
    base: base.replace(/\/+$/, ""),
    // The most that a timer can wait; above it, it would fire at once.
    timeout: count("timeout", "milliseconds", options.timeout ?? 30_000, longestTimer),
    bodyLimit: count("bodyLimit", "bytes", options.bodyLimit ?? 1024 * 1024),
    now,
  };
}

const prefix = "createRunnerHandler: ";

function count(field: string, unit: string, value: number, max = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(value) && value > 0 && value <= max) return value;
  throw fault(`options.${field} must be a positive whole number of ${unit}, at most ${max}`, value);
}

function fault(message: string, value: unknown): TypeError {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new TypeError(`${prefix}${message} (got ${shown})`);
}
