import { OrchestratorError } from "../../core/errors.ts";
import type { JobResult, RunnerJob } from "../../types/run.ts";
import type {
  LoadBalancer,
  LoadBalancerHandle,
  SelectedServer,
  Server,
  ServerRegistry,
  ServerRegistryHandle,
  ServerStatus,
} from "../../types/server.ts";
import { callStep } from "./calls.ts";

/** What a workflow hands to the steps for a registry: the injected handle. */
export type RegistryReference = ServerRegistry | ServerRegistryHandle | undefined;

/** What a workflow hands to the steps for a balancer: the injected handle. */
export type LoadBalancerReference = LoadBalancer | LoadBalancerHandle | undefined;

/** The handle of this process's registry, which is also what the API injects. */
export function getDefaultRegistry(): ServerRegistryHandle {
  return { kind: "server-registry", name: "default" };
}

/** The handle of this process's load balancer, which is also what the API injects. */
export function getDefaultLoadBalancer(): LoadBalancerHandle {
  return { kind: "load-balancer", name: "default" };
}

/**
 * The servers that can take work now: registered, and their circuit not open. A durable step.
 *
 * @param registry the injected handle; the process's registry when absent
 * @param region only its servers; all when absent
 * @returns plain data, empty where no server is available
 */
export async function findAvailableServersStep(
  registry?: RegistryReference,
  region?: string,
): Promise<ServerStatus[]> {
  return callStep("findAvailableServers", [handle(registry, "server-registry"), region]);
}

/**
 * Picks the server for a job and holds a place on it for 30 s. A durable step. When every server is
 * full or its circuit open, it waits for room, `orchestrator.execution.wait` milliseconds at most.
 *
 * @param servers candidates, looked up by their `id`: a `url` in them is never called
 * @param loadBalancer the injected handle; the process's balancer when absent
 * @param region only servers of this region; any when absent
 * @param key what the `sticky` balancer hashes, such as the job's url
 * @throws OrchestratorError `NO_SERVER_AVAILABLE` or `UNKNOWN_SERVER`
 */
export async function selectBestServerStep(
  servers: readonly Server[],
  loadBalancer?: LoadBalancerReference,
  region?: string,
  key?: string,
): Promise<SelectedServer> {
  return callStep("selectBestServer", [
    servers,
    handle(loadBalancer, "load-balancer"),
    region,
    key,
  ]);
}

/**
 * Executes a job's runners on a server, and on another healthy one of its region when that fails. A
 * durable step. Every attempt carries the same `Idempotency-Key`, `<runId>/<jobId>`; an answered job
 * is never executed again.
 *
 * @param server what `selectBestServerStep` picked, looked up by its `id`
 * @returns the runners' results, failing ones too, with every attempt
 * @throws OrchestratorError with the code of what went wrong; `data.attempts` lists the attempts
 */
export async function executeRunnerStep(
  server: SelectedServer | Server,
  job: RunnerJob,
): Promise<JobResult> {
  return callStep("executeRunner", [server, job]);
}

/** Class instances cannot cross the engine's boundary; say so before its serializer fails on one. */
function handle(
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
