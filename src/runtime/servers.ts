import { pathToFileURL } from "node:url";
import { resolve } from "pathe";
import { OrchestratorError } from "../core/errors.ts";
import { createLeases, type Leases } from "../core/leases.ts";
import { createLoadBalancer } from "../core/load-balancer.ts";
import { serversFromRegions } from "../core/server-config.ts";
import { createServerMembers } from "../core/server-members.ts";
import { joiningTerms, parseLoadBalancer, parseRegistry } from "../core/server-options.ts";
import { InMemoryServerRegistry } from "../core/server-registry.ts";
import { StorageServerRegistry } from "../core/storage-registry.ts";
import type {
  JoiningConfig,
  LoadBalancerModule,
  OrchestratorOptions,
  RegistryModule,
  ResolvedLoadBalancer,
  ResolvedRegistry,
} from "../types/config.ts";
import type { LoadBalancer, Server, ServerMembers, ServerRegistry } from "../types/server.ts";
import { openStorage } from "./storage.ts";

/** What the process was started with. */
export type Environment = Record<string, string | undefined>;

/** The servers of a process, and who keeps them. */
export interface ServerParts {
  registry: ServerRegistry;
  leases: Leases;
  members: ServerMembers;
  close(): Promise<void>;
}

/**
 * The registry the options or the environment describe, and the leases and members of its servers.
 *
 * @param module the user's own module, where the build bundled one
 * @throws OrchestratorError `CONFIG_INVALID`, naming the option or the variable
 */
export async function createServers(
  options: Pick<OrchestratorOptions, "circuit" | "registry">,
  module: RegistryModule | undefined,
  { env, dataDir, note }: { env: Environment; dataDir: string; note: (message: string) => void },
): Promise<ServerParts> {
  let { registry: resolved } = options;
  let path = "orchestrator.registry";
  if (resolved.type === "env" && env.ORCHESTRATOR_REGISTRY) {
    path = "ORCHESTRATOR_REGISTRY";
    resolved = parseRegistry(parseVariable(env.ORCHESTRATOR_REGISTRY), path);
    module = undefined;
  }
  const own = createLeases();
  const { circuit } = options;
  if (resolved.type === "module") {
    module ??= await importModule<RegistryModule>(resolved, path);
    const registry = assertRegistry(await instance(module), path);
    return serverParts(registry, own, [], {});
  }
  if (resolved.type === "storage") {
    const { storage, servers = [], ttl } = resolved;
    const where = { redisUrl: env.ORCHESTRATOR_REDIS_URL, dataDir };
    const opened = await openStorage(storage, where, `${path}.storage`);
    const registry = new StorageServerRegistry({
      storage: opened,
      servers,
      circuit,
      note,
      path: `${path}.servers`,
      ...(ttl !== undefined && { ttl }),
    });
    const parts = await serverParts(registry, own, servers, resolved);
    const close = (): Promise<void> => parts.close().finally(() => opened.dispose?.());
    return { ...parts, close };
  }
  const servers = serversOf(resolved, env);
  const registry = new InMemoryServerRegistry({ servers, circuit, path: `${path}.servers` });
  return serverParts(registry, own, servers, resolved.type === "in-memory" ? resolved : {});
}

/** What belongs to a registry; one in a storage shares its leases too. */
async function serverParts(
  registry: ServerRegistry,
  own: Leases,
  configured: Server[],
  joining: JoiningConfig,
): Promise<ServerParts> {
  const shared = sharesLeases(registry) ? registry.shareLeases(own) : undefined;
  const leases = shared ?? own;
  const { open = false } = joining;
  const terms = joiningTerms(joining);
  await shared?.start();
  return {
    registry,
    leases,
    members: createServerMembers({ registry, leases, terms, open, configured }),
    close: async () => shared?.close(),
  };
}

/** By what it can do, since a bundle may hold several copies of its class. */
function sharesLeases(registry: ServerRegistry): registry is StorageServerRegistry {
  return typeof (registry as Partial<StorageServerRegistry>).shareLeases === "function";
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
