import type { ExecutionConfig } from "../types/config.ts";
import type { Executor } from "../types/executor.ts";
import type { JobResult, RunnerJob } from "../types/run.ts";
import type { LoadBalancer, ServerRegistry } from "../types/server.ts";
import { createAttempt, type RunAttempt } from "./attempt.ts";
import type { Leases } from "./leases.ts";
import { createPlacement, type Placement } from "./placement.ts";
import { createRetries, type ExecuteContext } from "./retries.ts";
import { sleep as realSleep, type Sleep } from "./sleep.ts";

export type { ExecuteContext } from "./retries.ts";
export type { SelectOptions } from "./placement.ts";

/** What jobs are dispatched with. */
export interface DispatcherOptions {
  registry: ServerRegistry;
  loadBalancer: LoadBalancer;
  leases: Leases;
  executor: Executor;
  execution: Required<ExecutionConfig>;
  /** Puts something around every attempt. */
  aroundAttempt?: (attempt: RunAttempt) => RunAttempt;
  /** Epoch milliseconds. */
  now?: () => number;
  /** In [0, 1). */
  random?: () => number;
  sleep?: Sleep;
}

/** Gets jobs to servers. */
export interface Dispatcher extends Pick<Placement, "available" | "select"> {
  /**
   * Executes a job on the server it was given a place on, and after a failure that another server
   * may not have, on others of that server's region.
   *
   * @throws OrchestratorError with the last failure's code if it is not retryable, `SERVER_TIMEOUT`
   * if every attempt timed out, else `ATTEMPTS_EXHAUSTED`; `data.attempts` has them all
   * @throws OrchestratorError `UNKNOWN_SERVER`, `NO_SERVER_AVAILABLE` before the first attempt
   */
  execute(
    server: { id: string; leaseId?: string },
    job: RunnerJob,
    context: ExecuteContext,
  ): Promise<JobResult>;
  /**
   * Executes a job on any server of its region. While all that live are full it waits; for servers
   * that are down it waits as long as the configuration says.
   *
   * @throws OrchestratorError as `execute` does
   */
  dispatch(job: RunnerJob, context: ExecuteContext): Promise<JobResult>;
}

/** A dispatcher over one registry, one balancer, one executor and the leases they share. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { now = Date.now, random = Math.random, sleep = realSleep, execution, leases } = options;
  const placement = createPlacement({ ...options, wait: execution.wait, now, random, sleep });
  const { aroundAttempt = (inner) => inner } = options;
  const attempt = aroundAttempt(createAttempt({ ...options, timeout: execution.timeout, now }));
  const run = createRetries({ placement, attempt, execution, now, random, sleep });
  return {
    available: placement.available,
    select: placement.select,
    dispatch: (job, context) => run(undefined, job, context),
    async execute(server, job, context) {
      try {
        return await run(server, job, context);
      } finally {
        // Still held only if the job never got to take it over.
        if (server.leaseId !== undefined) leases.release(server.leaseId);
      }
    },
  };
}
