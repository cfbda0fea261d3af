import type {
  CallbacksConfig,
  CircuitConfig,
  CorsConfig,
  ExecutionConfig,
  HealthCheckConfig,
  OrchestratorConfig,
  OrchestratorOptions,
  RateLimitConfig,
  ResolvedRegistry,
  ResolvedWorld,
  RetentionConfig,
  RunnersConfig,
  ShutdownConfig,
} from "../types/config.ts";
import { parseHostRules } from "./callback-hosts.ts";
import { OrchestratorError } from "./errors.ts";
import { serversOfRegions } from "./server-config.ts";
import { longestTimer } from "./sleep.ts";

/** What options are where the user leaves them out. */
export const defaults: {
  pattern: string[];
  route: string;
  runners: Required<Omit<RunnersConfig, "region">> & { pattern: string[] };
  healthCheck: Required<HealthCheckConfig>;
  circuit: Required<CircuitConfig>;
  execution: Required<ExecutionConfig>;
  retention: Required<RetentionConfig>;
  shutdown: Required<ShutdownConfig>;
} = {
  pattern: ["workflows/**/*.ts", "src/workflows/**/*.ts"],
  route: "/api/orchestrator",
  runners: {
    pattern: ["runners/**/*.ts", "src/runners/**/*.ts"],
    route: "/api/runner",
    timeout: 30_000,
  },
  healthCheck: { interval: 10_000, timeout: 2000 },
  circuit: { failures: 3, cooldown: 10_000 },
  execution: { attempts: 3, timeout: 300_000, wait: 60_000 },
  retention: { age: 30 * 24 * 60 * 60 * 1000, count: 10_000 },
  shutdown: { timeout: 5000 },
};

/** The options that every host has. */
type SharedOption =
  | "callbacks"
  | "circuit"
  | "cors"
  | "execution"
  | "healthCheck"
  | "rateLimit"
  | "service"
  | "shutdown"
  | "world";

/** The options that every host has, checked, with their defaults. */
export function resolveShared(
  user: Pick<OrchestratorConfig, SharedOption>,
): Pick<OrchestratorOptions, SharedOption> {
  const { service = false } = user;
  if (typeof service !== "boolean") {
    throw invalid("orchestrator.service", "must be true or false", service);
  }
  return {
    service: service && "",
    callbacks: resolveCallbacks(user.callbacks),
    shutdown: positives(user.shutdown, defaults.shutdown, "orchestrator.shutdown"),
    ...(user.cors !== undefined && { cors: resolveCors(user.cors) }),
    ...(user.rateLimit !== undefined && { rateLimit: resolveRateLimit(user.rateLimit) }),
    healthCheck:
      user.healthCheck === false
        ? false
        : positives(user.healthCheck, defaults.healthCheck, "orchestrator.healthCheck"),
    circuit: positives(user.circuit, defaults.circuit, "orchestrator.circuit"),
    execution: positives(user.execution, defaults.execution, "orchestrator.execution"),
    world: resolveWorld(user.world),
  };
}

function resolveCallbacks(value: unknown): CallbacksConfig {
  const path = "orchestrator.callbacks";
  if (value === undefined) return {};
  const given = asObject(value, path);
  assertKnownKeys(given, ["allow"], path);
  const { allow } = given;
  if (allow === undefined) return {};
  if (!Array.isArray(allow)) throw invalid(`${path}.allow`, "must be an array of hosts", allow);
  parseHostRules(allow, (index) => `${path}.allow[${index}]`);
  return { allow };
}

/** The registry of the servers that `runners` names, beside which no other can stand. */
export function registryOfRegions(
  regions: Record<string, string | string[]>,
  registry: unknown,
): ResolvedRegistry {
  if (registry !== undefined) {
    const rule = "cannot stand beside orchestrator.runners with URLs";
    throw invalid("orchestrator.registry", rule, registry);
  }
  return { type: "in-memory", servers: serversOfRegions(regions, "orchestrator.runners") };
}

/**
 * True for `{"us-east-1": "https://…"}`, which stands where other things of runners may stand too. One URL is
 * enough, so that a text that was to be another is told to be none.
 */
export function isRegionMap(
  value: unknown,
  otherKeys: readonly string[] = [],
): value is Record<string, string | string[]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  if (otherKeys.some((key) => key in value)) return false;
  const urls = Object.values(value).flat();
  return urls.some(isUrl) && urls.every((url) => typeof url === "string");
}

function isUrl(value: unknown): boolean {
  return typeof value === "string" && /^https?:\/\//.test(value);
}

function resolveCors(value: unknown): CorsConfig {
  const path = "orchestrator.cors";
  const given = asObject(value, path);
  assertKnownKeys(given, ["origins"], path);
  const { origins } = given;
  if (!Array.isArray(origins)) {
    throw invalid(`${path}.origins`, "must be an array of origins", origins);
  }
  return {
    origins: origins.map((origin: unknown, at) => resolveOrigin(origin, `${path}.origins[${at}]`)),
  };
}

/**
 * An origin as browsers send it, or `*`.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with `path`
 */
export function resolveOrigin(value: unknown, path: string): string {
  const text = typeof value === "string" ? value.trim().toLowerCase().replace(/\/$/, "") : "";
  if (text === "*" || /^[a-z][a-z\d+.-]*:\/\/[^\s/?#@*]+$/.test(text)) return text;
  throw invalid(path, "must be an origin such as https://app.example.com, or *", value);
}

function resolveRateLimit(value: unknown): RateLimitConfig | false {
  if (value === false) return false;
  const path = "orchestrator.rateLimit";
  const given = asObject(value, path);
  assertKnownKeys(given, Object.keys(rateLimitBounds), path);
  const set = Object.entries(given).filter(([, number]) => number !== undefined);
  for (const [key, number] of set) {
    assertWithin(number, rateLimitBounds[key as keyof RateLimitConfig], `${path}.${key}`);
  }
  return Object.fromEntries(set);
}

/** The least and the greatest that each part of a rate limit may be. */
export const rateLimitBounds: Record<keyof RateLimitConfig, [number, number]> = {
  window: [1, longestTimer],
  max: [1, longestTimer],
  trustProxy: [0, 32],
};

/**
 * Refuses what is no whole number within bounds.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with `path`
 */
export function assertWithin(
  value: unknown,
  [least, greatest]: [number, number],
  path: string,
): asserts value is number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= greatest)
    return;
  throw invalid(path, `must be a whole number from ${least} to ${greatest}`, value);
}

/** The World that an option names, with its defaults. */
export function resolveWorld(value: unknown): ResolvedWorld {
  const path = "orchestrator.world";
  if (typeof value === "string" && value.trim() !== "" && value !== "embedded") {
    return { type: "target", name: value };
  }
  const { type, ...rest } =
    value === undefined || value === "embedded" ? { type: "embedded" } : asObject(value, path);
  if (type !== "embedded" && type !== "postgres") {
    const known = '"embedded", "local", a package, {type: "embedded"} or {type: "postgres"}';
    throw invalid(path, `must be ${known}`, value);
  }
  assertKnownKeys(rest, ["retention"], path);
  const { retention } = rest as { retention?: unknown };
  const resolved = positives(retention, defaults.retention, `${path}.retention`, Infinity);
  if (type === "embedded") return { type, retention: resolved };
  // What is not said is not limited: others may read the database too.
  const said = retention as RetentionConfig | undefined;
  return { type: "target", name: "@workflow/world-postgres", ...(said && { retention: said }) };
}

/** An absolute path without a slash at its end. */
export function resolveRoute(value: unknown, path: string): string {
  if (typeof value !== "string" || !/^(?:\/[\w.~-]+)+\/?$/.test(value)) {
    throw invalid(path, "must be an absolute path such as /api/orchestrator", value);
  }
  return value.replace(/\/$/, "");
}

/** Whole numbers above 0 for the keys of `fallback`, which fills in the absent ones. */
export function positives<T extends Record<string, number>>(
  value: unknown,
  fallback: T,
  path: string,
  greatest: number = longestTimer,
): T {
  if (value === undefined) return fallback;
  const given = asObject(value, path);
  assertKnownKeys(given, Object.keys(fallback), path);
  for (const [key, number] of Object.entries(given)) {
    const valid =
      Number.isInteger(number) && (number as number) > 0 && (number as number) <= greatest;
    if (number !== undefined && !valid) {
      throw invalid(
        `${path}.${key}`,
        `must be a whole number ${greatest === longestTimer ? `from 1 to ${longestTimer}` : "above 0"}`,
        number,
      );
    }
  }
  const set = Object.entries(given).filter(([, number]) => number !== undefined);
  return { ...fallback, ...Object.fromEntries(set) };
}

/** A value as the object it has to be. */
export function asObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(path, "must be an object", value);
  }
  return value as Record<string, unknown>;
}

/** Refuses a key that is no option. */
export function assertKnownKeys(value: object, known: readonly string[], path: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path}.${unknown} is not an option. Known: ${known.join(", ")}`,
    );
  }
}

/** The error of an option that is not what it must be. */
export function invalid(path: string, rule: string, got: unknown): OrchestratorError {
  return new OrchestratorError("CONFIG_INVALID", `${path} ${rule} (got ${JSON.stringify(got)})`);
}
