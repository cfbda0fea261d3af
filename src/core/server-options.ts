import type {
  JoiningConfig,
  LoadBalancerType,
  RegistryStorageConfig,
  ResolvedLoadBalancer,
  ResolvedRegistry,
} from "../types/config.ts";
import { OrchestratorError } from "./errors.ts";
import { createLoadBalancer } from "./load-balancer.ts";
import { validateServers } from "./server-config.ts";
import { asObject, assertKnownKeys, assertWithin, invalid } from "./settings.ts";
import { longestTimer } from "./sleep.ts";

/**
 * A registry option as plain data: servers in memory or shared through a storage, a class name (servers then
 * come from `PLAYWRIGHT_RUNNERS`, or join), or a module path, which is left as it was written.
 *
 * @param path what messages call the option, such as `orchestrator.registry`
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function parseRegistry(value: unknown, path: string): ResolvedRegistry {
  if (value === "in-memory" || value === "InMemoryServerRegistry") return { type: "regions" };
  if (value === "storage" || value === "StorageServerRegistry") return { type: "storage" };
  if (isModulePath(value)) return { type: "module", path: value };
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const given = (isObject ? value : {}) as Record<string, unknown>;
  if (given.type === "storage") return storageRegistry(given, path);
  if (given.type === "in-memory") {
    assertKnownKeys(given, ["type", "servers", ...joiningKeys], path);
    const servers = validateServers(given.servers, `${path}.servers`);
    return { type: "in-memory", servers, ...joiningOf(given, path) };
  }
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `${isObject ? `${path}.type` : path} must be {type: "in-memory", servers: […]}, {type: "storage"}, "InMemoryServerRegistry", "StorageServerRegistry" or a module path such as "./registry.ts" (got ${JSON.stringify(isObject ? given.type : value)})`,
  );
}

function storageRegistry(given: Record<string, unknown>, path: string): ResolvedRegistry {
  assertKnownKeys(given, ["type", "storage", "servers", ...joiningKeys], path);
  const { storage, servers } = given;
  if (storage !== undefined) {
    const { driver } = asObject(storage, `${path}.storage`);
    if (typeof driver !== "string" || !/^[\w-]+$/.test(driver)) {
      throw invalid(
        `${path}.storage.driver`,
        "must be the name of a driver of unstorage, such as fs or redis",
        driver,
      );
    }
  }
  return {
    type: "storage",
    ...(storage !== undefined && { storage: storage as RegistryStorageConfig }),
    ...(servers !== undefined && { servers: validateServers(servers, `${path}.servers`) }),
    ...joiningOf(given, path),
  };
}

const joiningKeys = ["heartbeat", "ttl", "open"] as const;

/** The terms as far as they were given. */
function joiningOf(given: Record<string, unknown>, path: string): JoiningConfig {
  const { open } = given;
  if (open !== undefined && typeof open !== "boolean") {
    throw invalid(`${path}.open`, "must be true or false", open);
  }
  const times = Object.fromEntries(
    (["heartbeat", "ttl"] as const).flatMap((key) => {
      if (given[key] === undefined) return [];
      assertWithin(given[key], [1, longestTimer], `${path}.${key}`);
      return [[key, given[key]]];
    }),
  );
  const { interval, ttl } = joiningTerms(times);
  if (interval >= ttl) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path}.ttl must be longer than ${path}.heartbeat (got ${ttl} and ${interval})`,
    );
  }
  return { ...times, ...(open !== undefined && { open }) };
}

/** The terms on which servers join, with what is not said filled in. */
export function joiningTerms({ heartbeat, ttl = 30_000 }: JoiningConfig): {
  interval: number;
  ttl: number;
} {
  return { interval: heartbeat ?? Math.max(1, Math.min(10_000, Math.floor(ttl / 3))), ttl };
}

/**
 * A load balancer option as plain data: a type, a class name, or a module path, left as written.
 *
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function parseLoadBalancer(value: unknown, path: string): ResolvedLoadBalancer {
  if (isModulePath(value)) return { type: "module", path: value };
  const isObject = typeof value === "object" && value !== null;
  const name = isObject ? (value as { type?: unknown }).type : value;
  try {
    return { type: createLoadBalancer(String(name)).name as LoadBalancerType };
  } catch (error) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${isObject ? `${path}.type` : path}: ${(error as Error).message}, or a module path such as "./balancer.ts"`,
    );
  }
}

/** Paths and `@scope/package` contain a slash, which no class name does. */
function isModulePath(value: unknown): value is string {
  return typeof value === "string" && /[/\\]/.test(value) && !value.trimStart().startsWith("{");
}
