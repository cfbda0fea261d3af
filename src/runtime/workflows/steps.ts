import type { JobResult, RunnerJob } from "../../types/run.ts";
import type {
  LoadBalancerHandle,
  SelectedServer,
  Server,
  ServerRegistryHandle,
  ServerStatus,
} from "../../types/server.ts";
import { callStep } from "./calls.ts";
import { handle, type LoadBalancerReference, type RegistryReference } from "./references.ts";

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
