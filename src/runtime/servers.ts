import { pathToFileURL } from "node:url";
import { resolve } from "pathe";
import { OrchestratorError } from "../core/errors.ts";
import { createLoadBalancer } from "../core/load-balancer.ts";
import { serversFromRegions } from "../core/server-config.ts";
import { parseLoadBalancer, parseRegistry } from "../core/server-options.ts";
import { InMemoryServerRegistry } from "../core/server-registry.ts";
import type {
  LoadBalancerModule,
  OrchestratorOptions,
  RegistryModule,
  ResolvedLoadBalancer,
  ResolvedRegistry,
} from "../types/config.ts";
import type { LoadBalancer, ServerRegistry } from "../types/server.ts";

/** What the process was started with. */
export type Environment = Record<string, string | undefined>;

/**
 * The registry the options or the environment describe.
 *
 * @param module the user's own module, where the build bundled one
 * @throws OrchestratorError `CONFIG_INVALID`, naming the option or the variable
 */
export async function createRegistry(
  options: Pick<OrchestratorOptions, "circuit" | "registry">,
  module: RegistryModule | undefined,
  env: Environment,
): Promise<ServerRegistry> {
  let { registry } = options;
  let path = "orchestrator.registry";
  if (registry.type === "env" && env.ORCHESTRATOR_REGISTRY) {
    path = "ORCHESTRATOR_REGISTRY";
    registry = parseRegistry(parseVariable(env.ORCHESTRATOR_REGISTRY), path);
    module = undefined;
  }
  module ??= await importModule<RegistryModule>(registry, path);
  if (registry.type === "module") return assertRegistry(await instance(module), path);
  return new InMemoryServerRegistry({
    servers: serversOf(registry, env),
    circuit: options.circuit,
    path: `${path}.servers`,
  });
}

/**
 * The load balancer the options or the environment describe.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, naming the option or the variable
 */
export async function createBalancer(
  options: Pick<OrchestratorOptions, "loadBalancer">,
  module: LoadBalancerModule | undefined,
  env: Environment,
): Promise<LoadBalancer> {
  let { loadBalancer } = options;
  let path = "orchestrator.loadBalancer";
  if (loadBalancer.type === "env" && env.ORCHESTRATOR_LOAD_BALANCER) {
    path = "ORCHESTRATOR_LOAD_BALANCER";
    loadBalancer = parseLoadBalancer(parseVariable(env.ORCHESTRATOR_LOAD_BALANCER), path);
    module = undefined;
  }
  module ??= await importModule<LoadBalancerModule>(loadBalancer, path);
  if (loadBalancer.type === "module") return assertBalancer(await instance(module), path);
  return createLoadBalancer(loadBalancer.type === "env" ? "least-load" : loadBalancer.type);
}

/** Without any servers configured an app still starts: its workflows may not need one. */
function serversOf(
  registry: ResolvedRegistry,
  env: Environment,
): ReturnType<typeof serversFromRegions> {
  if (registry.type === "in-memory") return registry.servers;
  if (registry.type === "env" && !env.PLAYWRIGHT_RUNNERS) return [];
  return serversFromRegions(env.PLAYWRIGHT_RUNNERS);
}

/** A variable's value: JSON where it looks like it, else the name or path it is. */
function parseVariable(value: string): unknown {
  if (!value.trimStart().startsWith("{")) return value.trim();
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

async function importModule<Module>(
  resolved: ResolvedLoadBalancer | ResolvedRegistry,
  path: string,
): Promise<Module | undefined> {
  if (resolved.type !== "module") return undefined;
  const isPath = /^(?:\.|\/|[A-Za-z]:)/.test(resolved.path);
  // Only known at start, so no bundler may look into it.
  const specifier = isPath ? pathToFileURL(resolve(resolved.path)).href : resolved.path;
  try {
    return ((await import(/* @vite-ignore */ specifier)) as { default: Module }).default;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path} names a module that does not load: ${reason}`,
      { cause: error },
    );
  }
}

/** What a module's default export is or makes: an instance, a factory or a class. */
async function instance(exported: unknown): Promise<unknown> {
  if (typeof exported !== "function") return exported;
  const isClass = /^class\b/.test(Function.prototype.toString.call(exported));
  return isClass ? new (exported as new () => unknown)() : await (exported as () => unknown)();
}

function assertRegistry(value: unknown, path: string): ServerRegistry {
  const methods = ["list", "register", "deregister", "heartbeat", "report"];
  assertMethods(value, methods, path);
  return value as ServerRegistry;
}

function assertBalancer(value: unknown, path: string): LoadBalancer {
  assertMethods(value, ["select"], path);
  return value as LoadBalancer;
}

function assertMethods(value: unknown, methods: string[], path: string): void {
  const missing = methods.filter(
    (name) => typeof (value as Record<string, unknown> | undefined)?.[name] !== "function",
  );
  if (missing.length > 0) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path} names a module whose default export is, or makes, no such thing: it lacks ${missing.map((name) => `${name}()`).join(", ")}`,
    );
  }
}
