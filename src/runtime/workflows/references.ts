import { OrchestratorError } from "../../core/errors.ts";
import type {
  LoadBalancer,
  LoadBalancerHandle,
  ServerRegistry,
  ServerRegistryHandle,
} from "../../types/server.ts";

/** What a workflow hands to the steps for a registry: the injected handle. */
export type RegistryReference = ServerRegistry | ServerRegistryHandle | undefined;

/** What a workflow hands to the steps for a balancer: the injected handle. */
export type LoadBalancerReference = LoadBalancer | LoadBalancerHandle | undefined;

/**
 * The plain handle of a reference. Class instances cannot cross the engine's boundary; this says so before
 * its serializer fails on one.
 *
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function handle(
  reference: LoadBalancerReference | RegistryReference,
  kind: "load-balancer" | "server-registry",
): { kind: string; name: string } | undefined {
  if (reference === undefined) return undefined;
  if ("kind" in reference && reference.kind === kind) return { kind, name: reference.name };
  const option = kind === "server-registry" ? "registry" : "loadBalancer";
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `A workflow takes the ${option} it is given in its options (or leaves it out) and cannot bring its own: set orchestrator.${option} in nitro.config.ts.`,
  );
}
