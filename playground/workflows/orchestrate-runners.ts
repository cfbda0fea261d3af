import {
  type Aggregate,
  aggregateResults,
  executeRunnerStep,
  findAvailableServersStep,
  type JobResult,
  type LoadBalancerReference,
  mapSettled,
  type RegistryReference,
  type RunnerJob,
  selectBestServerStep,
} from "@runners/orchestrator";

/** What a request's `options` may hold; the API adds `registry` and `loadBalancer`. */
export interface OrchestrateOptions {
  registry?: RegistryReference;
  loadBalancer?: LoadBalancerReference;
  /** Region of jobs that name none. */
  region?: string;
  /**
   * Jobs in flight at once: a sliding window, in which the next job starts as soon as one ends.
   * @default 10
   */
  maxConcurrency?: number;
}

/** A job with the server that answered it. */
export interface SingleResult {
  job: RunnerJob;
  server: string;
  result: JobResult;
}

/** Sends every job to a server of its region and adds up what they answer. */
export async function orchestrateRunners(
  jobs: RunnerJob[],
  options: OrchestrateOptions = {},
): Promise<Aggregate> {
  "use workflow";

  const { registry, loadBalancer, region, maxConcurrency = 10 } = options;
  const servers = await findAvailableServersStep(registry, region);
  if (servers.length === 0) throw noServers(region);

  const settled = await mapSettled(jobs, maxConcurrency, async (job) => {
    const server = await selectBestServerStep(servers, loadBalancer, job.region ?? region, job.url);
    const result = await executeRunnerStep(server, job);
    return { job, server: result.server, result };
  });
  return aggregateResults(settled, jobs);
}

/** Sends one job to a server of its region. */
export async function executeSingleRunner(
  job: RunnerJob,
  options: OrchestrateOptions = {},
): Promise<SingleResult> {
  "use workflow";

  const { registry, loadBalancer } = options;
  const region = job.region ?? options.region;
  const servers = await findAvailableServersStep(registry, region);
  if (servers.length === 0) throw noServers(region);

  const server = await selectBestServerStep(servers, loadBalancer, region, job.url);
  const result = await executeRunnerStep(server, job);
  return { job, server: result.server, result };
}

function noServers(region: string | undefined): Error {
  return new Error(`No runner servers available${region ? ` for region ${region}` : ""}`);
}
