import { existsSync } from "node:fs";
import { extname, isAbsolute, resolve } from "pathe";
import { resolveExecutors } from "./core/executor-options.ts";
import { parseLoadBalancer, parseRegistry } from "./core/server-options.ts";
import {
  asObject,
  assertKnownKeys,
  defaults,
  invalid,
  isRegionMap,
  positives,
  registryOfRegions,
  resolveRoute,
  resolveShared,
} from "./core/settings.ts";
import type { OrchestratorConfig, OrchestratorOptions, RunnersConfig } from "./types/config.ts";

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
  const user = asObject(config ?? {}, "orchestrator") as OrchestratorConfig;
  const known = [
    "pattern",
    "route",
    "registry",
    "loadBalancer",
    "runners",
    "healthCheck",
    "circuit",
    "execution",
    "executors",
    "cors",
    "rateLimit",
    "world",
    "service",
    "shutdown",
    "callbacks",
  ];
  assertKnownKeys(user, known, "orchestrator");
  return {
    pattern: patterns(user.pattern, "orchestrator.pattern", defaults.pattern),
    route: resolveRoute(user.route ?? defaults.route, "orchestrator.route"),
    registry: registry(user, rootDir),
    loadBalancer:
      user.loadBalancer === undefined
        ? { type: "env" }
        : modulePath(
            parseLoadBalancer(user.loadBalancer, "orchestrator.loadBalancer"),
            "orchestrator.loadBalancer",
            rootDir,
          ),
    runners: runners(isRegionMap(user.runners, runnerOptions) ? undefined : user.runners),
    ...resolveShared(user),
    executors: resolveExecutors(user.executors),
  };
}

/** The servers: of `registry`, or of `runners` where that maps regions to URLs, else what the environment says. */
function registry(user: OrchestratorConfig, rootDir: string): OrchestratorOptions["registry"] {
  const path = "orchestrator.registry";
  if (isRegionMap(user.runners, runnerOptions)) {
    return registryOfRegions(user.runners, user.registry);
  }
  if (user.registry === undefined) return { type: "env" };
  return modulePath(parseRegistry(user.registry, path), path, rootDir);
}

const runnerOptions = ["pattern", "region", "route", "timeout"];

function runners(value: unknown): OrchestratorOptions["runners"] {
  if (value === false) return false;
  if (value === undefined) return { ...defaults.runners, serve: false };
  return servedRunners(value);
}

function servedRunners(given: unknown): OrchestratorOptions["runners"] {
  const path = "orchestrator.runners";
  const value = asObject(given, path) as RunnersConfig;
  assertKnownKeys(value, runnerOptions, path);
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
    route: resolveRoute(value.route ?? defaults.runners.route, `${path}.route`),
    timeout,
    ...(value.region !== undefined && { region: value.region }),
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
