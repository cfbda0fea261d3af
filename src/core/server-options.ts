import type { LoadBalancerType, ResolvedLoadBalancer, ResolvedRegistry } from "../types/config.ts";
import { OrchestratorError } from "./errors.ts";
import { createLoadBalancer } from "./load-balancer.ts";
import { validateServers } from "./server-config.ts";

/**
 * A registry option as plain data: a list of servers, a class name (servers then come from
 * `PLAYWRIGHT_RUNNERS`), or a module path, which is left as it was written.
 *
 * @param path what messages call the option, such as `orchestrator.registry`
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function parseRegistry(value: unknown, path: string): ResolvedRegistry {
  if (value === "in-memory" || value === "InMemoryServerRegistry") return { type: "regions" };
  if (isModulePath(value)) return { type: "module", path: value };
  const type =
    typeof value === "object" && value !== null ? (value as { type?: unknown }).type : value;
  if (type !== "in-memory" || typeof value !== "object") {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${typeof value === "object" && value !== null ? `${path}.type` : path} must be {type: "in-memory", servers: […]}, "InMemoryServerRegistry" or a module path such as "./registry.ts" (got ${JSON.stringify(type)})`,
    );
  }
  return {
    type: "in-memory",
    servers: validateServers((value as { servers?: unknown }).servers, `${path}.servers`),
  };
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
