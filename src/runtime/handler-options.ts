import { OrchestratorError } from "../core/errors.ts";
import { resolveExecutors } from "../core/executor-options.ts";
import { parseLoadBalancer, parseRegistry } from "../core/server-options.ts";
import {
  asObject,
  assertKnownKeys,
  defaults,
  invalid,
  positives,
  registryOfRegions,
  resolveRoute,
  resolveShared,
} from "../core/settings.ts";
import { parseApiKeys } from "../http/guard/keys.ts";
import { collectRunners } from "../runner/catalog.ts";
import type {
  LoadBalancerModule,
  OrchestratorOptions,
  RegistryModule,
  ResolvedLoadBalancer,
  ResolvedRegistry,
} from "../types/config.ts";
import type { ApiKey, OrchestratorHandlerOptions } from "../types/handler.ts";

/** Options of `createOrchestratorHandler` as resolved. */
export interface HandlerSettings {
  options: Omit<OrchestratorOptions, "pattern" | "runners">;
  apiKeys?: ApiKey[];
  modules: { registry?: RegistryModule; loadBalancer?: LoadBalancerModule };
  runners: { exports: Record<string, unknown>; timeout: number };
  dataDir: string | undefined;
}

const known = [
  "route",
  "registry",
  "loadBalancer",
  "runners",
  "runnerTimeout",
  "healthCheck",
  "circuit",
  "execution",
  "executors",
  "apiKeys",
  "cors",
  "rateLimit",
  "world",
  "service",
  "shutdown",
  "callbacks",
  "dataDir",
];

/**
 * The options with defaults, checked as those of `nitro.config.ts` are.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with the option's path
 */
export function resolveHandlerOptions(given: unknown): HandlerSettings {
  const user = asObject(given, "orchestrator") as OrchestratorHandlerOptions;
  assertKnownKeys(user, known, "orchestrator");
  const { registry, loadBalancer, modules } = serversOf(user);
  const { timeout } = positives(
    user.runnerTimeout === undefined ? {} : { timeout: user.runnerTimeout },
    { timeout: defaults.runners.timeout },
    "orchestrator.runnerTimeout",
  );
  const { dataDir } = user;
  if (dataDir !== undefined && (typeof dataDir !== "string" || dataDir.trim() === "")) {
    throw invalid("orchestrator.dataDir", "must be a folder's path", dataDir);
  }
  return {
    options: {
      route: routeOf(user.route ?? defaults.route),
      registry,
      loadBalancer,
      ...resolveShared(user),
      executors: resolveExecutors(user.executors),
    },
    ...(user.apiKeys !== undefined && {
      apiKeys: parseApiKeys(user.apiKeys, "orchestrator.apiKeys"),
    }),
    modules,
    runners: { exports: isRegions(user.runners) ? {} : runnersOf(user.runners), timeout },
    dataDir,
  };
}

/** A mount path; the empty one is that of a server that does nothing else. */
export function routeOf(value: unknown): string {
  return value === "" || value === "/" ? "" : resolveRoute(value, "orchestrator.route");
}

/** Where the servers come from and who picks one: as data, or as modules that the caller has brought. */
function serversOf(user: OrchestratorHandlerOptions): {
  registry: ResolvedRegistry;
  loadBalancer: ResolvedLoadBalancer;
  modules: HandlerSettings["modules"];
} {
  const modules: HandlerSettings["modules"] = {};
  let registry: ResolvedRegistry = { type: "env" };
  let loadBalancer: ResolvedLoadBalancer = { type: "env" };
  const path = "orchestrator.registry";
  if (isRegions(user.runners)) {
    registry = registryOfRegions(user.runners, user.registry);
  } else if (isMade(user.registry)) {
    modules.registry = user.registry as RegistryModule;
    registry = { type: "module", path: "" };
  } else if (user.registry !== undefined) registry = parseRegistry(user.registry, path);
  if (isMade(user.loadBalancer)) {
    modules.loadBalancer = user.loadBalancer as LoadBalancerModule;
    loadBalancer = { type: "module", path: "" };
  } else if (user.loadBalancer !== undefined) {
    loadBalancer = parseLoadBalancer(user.loadBalancer, "orchestrator.loadBalancer");
  }
  return { registry, loadBalancer, modules };
}

/** True for texts alone, which can be nothing but URLs, well written or not. */
function isRegions(value: unknown): value is Record<string, string | string[]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const entries = Object.values(value);
  return (
    entries.length > 0 &&
    entries.every((entry) => typeof entry === "string" || Array.isArray(entry))
  );
}

/** True for an instance, a factory or a class; options as data have no methods. */
function isMade(value: unknown): boolean {
  if (typeof value === "function") return true;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return (
    Object.getPrototypeOf(value) !== Object.prototype ||
    Object.values(value).some((member) => typeof member === "function")
  );
}

/** Runners as they were given, looked at now, so that a bad schema does not wait for a run. */
function runnersOf(value: unknown): Record<string, unknown> {
  if (value === undefined) return {};
  try {
    collectRunners(value, "orchestrator.runners");
  } catch (error) {
    throw new OrchestratorError("CONFIG_INVALID", (error as Error).message, { cause: error });
  }
  return value as Record<string, unknown>;
}
