import { existsSync } from "node:fs";
import { extname, isAbsolute, resolve } from "pathe";
import { OrchestratorError } from "./core/errors.ts";
import { serversOfRegions } from "./core/server-config.ts";
import { parseLoadBalancer, parseRegistry } from "./core/server-options.ts";
import type { OrchestratorConfig, OrchestratorOptions, RunnersConfig } from "./types/config.ts";

const defaults = {
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
};

/**
 * The user's configuration with defaults, checked: a bad value stops the build.
 *
 * @param rootDir what relative module paths start from
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with the value's config path
 */
export function resolveConfig(config: unknown, rootDir: string): OrchestratorOptions {
  const resolved = resolveKeys(config, rootDir);
  if (resolved.runners && resolved.runners.serve && resolved.runners.route === resolved.route) {
    throw invalid("orchestrator.runners.route", "must not be orchestrator.route", resolved.route);
  }
  return resolved;
}

function resolveKeys(config: unknown, rootDir: string): OrchestratorOptions {
  const user = object(config ?? {}, "orchestrator") as OrchestratorConfig;
  const known = [
    "pattern",
    "route",
    "registry",
    "loadBalancer",
    "runners",
    "healthCheck",
    "circuit",
    "execution",
    "world",
  ];
  knownKeys(user, known, "orchestrator");
  return {
    pattern: patterns(user.pattern, "orchestrator.pattern", defaults.pattern),
    route: route(user.route ?? defaults.route, "orchestrator.route"),
    registry: registry(user, rootDir),
    loadBalancer:
      user.loadBalancer === undefined
        ? { type: "env" }
        : modulePath(
            parseLoadBalancer(user.loadBalancer, "orchestrator.loadBalancer"),
            "orchestrator.loadBalancer",
            rootDir,
          ),
    runners: runners(isRegionMap(user.runners) ? undefined : user.runners),
    healthCheck:
      user.healthCheck === false
        ? false
        : positives(user.healthCheck, defaults.healthCheck, "orchestrator.healthCheck"),
    circuit: positives(user.circuit, defaults.circuit, "orchestrator.circuit"),
    execution: positives(user.execution, defaults.execution, "orchestrator.execution"),
    world: world(user.world),
  };
}

/** The servers: of `registry`, or of `runners` where that maps regions to URLs, else what the environment says. */
function registry(user: OrchestratorConfig, rootDir: string): OrchestratorOptions["registry"] {
  const path = "orchestrator.registry";
  if (isRegionMap(user.runners)) {
    if (user.registry !== undefined) {
      throw invalid(path, "cannot stand beside orchestrator.runners with URLs", user.registry);
    }
    const servers = serversOfRegions(user.runners, "orchestrator.runners");
    return { type: "in-memory", servers };
  }
  if (user.registry === undefined) return { type: "env" };
  return modulePath(parseRegistry(user.registry, path), path, rootDir);
}

/** True for `{"us-east-1": "https://…"}`, which stands where the options of runners may stand too. */
function isRegionMap(value: unknown): value is Record<string, string | string[]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const urls = Object.entries(value).filter(([key]) => !runnerOptions.includes(key));
  return urls.length > 0 && urls.every(([, url]) => [url].flat().every(isUrl));
}

function isUrl(value: unknown): boolean {
  return typeof value === "string" && /^https?:\/\//.test(value);
}

const runnerOptions = ["pattern", "region", "route", "timeout"];

function runners(value: unknown): OrchestratorOptions["runners"] {
  if (value === false) return false;
  if (value === undefined) return { ...defaults.runners, serve: false };
  return servedRunners(value);
}

function servedRunners(given: unknown): OrchestratorOptions["runners"] {
  const path = "orchestrator.runners";
  const value = object(given, path) as RunnersConfig;
  knownKeys(value, runnerOptions, path);
  const region: unknown = value.region;
  if (region !== undefined && (typeof region !== "string" || region.trim() === "")) {
    throw invalid(`${path}.region`, "must be a non-empty string", region);
  }
  const { timeout } = positives(
    value.timeout === undefined ? {} : { timeout: value.timeout },
    { timeout: defaults.runners.timeout },
    path,
  );
  return {
    serve: true,
    pattern: patterns(value.pattern, `${path}.pattern`, defaults.runners.pattern),
    route: route(value.route ?? defaults.runners.route, `${path}.route`),
    timeout,
    ...(value.region !== undefined && { region: value.region }),
  };
}

function world(value: unknown): OrchestratorOptions["world"] {
  const path = "orchestrator.world";
  if (typeof value === "string" && value.trim() !== "" && value !== "embedded") {
    return { type: "target", name: value };
  }
  const { type, ...rest } =
    value === undefined || value === "embedded" ? { type: "embedded" } : object(value, path);
  if (type !== "embedded") {
    throw invalid(path, 'must be "embedded", "local", a package or {type: "embedded"}', value);
  }
  knownKeys(rest, ["retention"], path);
  const { retention } = rest as { retention?: unknown };
  return {
    type,
    retention: positives(retention, defaults.retention, `${path}.retention`, Infinity),
  };
}

function patterns(value: unknown, path: string, fallback: string[]): string[] {
  if (value === undefined) return fallback;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const bad = list.findIndex((item) => typeof item !== "string" || item.trim() === "");
  if (list.length === 0 || bad !== -1) {
    throw invalid(
      Array.isArray(value) && bad !== -1 ? `${path}[${bad}]` : path,
      "must be a glob or an array of globs",
      list[bad] ?? value,
    );
  }
  // A glob copied from a Windows path still means what it says.
  return (list as string[]).map((item) => item.replaceAll("\\", "/").replace(/^\.\//, ""));
}

function route(value: unknown, path: string): string {
  if (typeof value !== "string" || !/^(?:\/[\w.~-]+)+\/?$/.test(value)) {
    throw invalid(path, "must be an absolute path such as /api/orchestrator", value);
  }
  return value.replace(/\/$/, "");
}

/** The longest a timer can wait; one set to more fires at once. */
const most = 2 ** 31 - 1;

/** Whole numbers above 0 for the keys of `fallback`, which fills in the absent ones. */
function positives<T extends Record<string, number>>(
  value: unknown,
  fallback: T,
  path: string,
  greatest: number = most,
): T {
  if (value === undefined) return fallback;
  const given = object(value, path);
  knownKeys(given, Object.keys(fallback), path);
  for (const [key, number] of Object.entries(given)) {
    const valid =
      Number.isInteger(number) && (number as number) > 0 && (number as number) <= greatest;
    if (number !== undefined && !valid) {
      throw invalid(
        `${path}.${key}`,
        `must be a whole number ${greatest === most ? `from 1 to ${most}` : "above 0"}`,
        number,
      );
    }
  }
  const set = Object.entries(given).filter(([, number]) => number !== undefined);
  return { ...fallback, ...Object.fromEntries(set) };
}

/** A module path made absolute; a file that is not there stops the build. */
function modulePath<T extends { type: string }>(resolved: T, path: string, rootDir: string): T {
  const { type, path: written } = resolved as T & { path?: string };
  if (type !== "module" || written === undefined) return resolved;
  if (!written.startsWith(".") && !isAbsolute(written)) return resolved;
  const absolute = resolve(rootDir, written);
  const candidates = extname(absolute)
    ? [absolute]
    : [".ts", ".mts", ".js", ".mjs"].map((ext) => absolute + ext);
  const file = candidates.find((candidate) => existsSync(candidate));
  if (!file) throw invalid(path, `names a module that is not there: ${absolute}`, written);
  return { ...resolved, path: file };
}

function object(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(path, "must be an object", value);
  }
  return value as Record<string, unknown>;
}

function knownKeys(value: object, known: readonly string[], path: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path}.${unknown} is not an option. Known: ${known.join(", ")}`,
    );
  }
}

function invalid(path: string, rule: string, got: unknown): OrchestratorError {
  return new OrchestratorError("CONFIG_INVALID", `${path} ${rule} (got ${JSON.stringify(got)})`);
}
