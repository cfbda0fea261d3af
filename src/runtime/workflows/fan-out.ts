import { aggregateResults } from "../../core/aggregate.ts";
import { OrchestratorError } from "../../core/errors.ts";
import { endStateOf } from "../../core/run-state.ts";
import { splitIntoShards } from "../../core/shards.ts";
import type { Aggregate, FailurePolicy, JobCounts, RunMode, RunnerJob } from "../../types/run.ts";
import type { JobRange, ShardJob, ShardReply, ShardRequest } from "../../types/shard.ts";
import { callStep, inWorkflow } from "./calls.ts";
import { handle, type LoadBalancerReference, type RegistryReference } from "./references.ts";

/** Who executes the jobs of a `fanOut`. */
export type FanOutExecutor = "http" | "kubernetes" | "local" | "postgres" | "redis";

/** How `fanOut` gets its jobs executed. */
export interface FanOutOptions {
  /** Jobs in flight at once, an integer of at least 1. @default unlimited */
  concurrency?: number;
  /**
   * `http` sends jobs to runner servers, `local` executes the app's own runners in this process, and from
   * the others workers pull them.
   * @default "http"
   */
  executor?: FanOutExecutor;
  /** The injected handle; the process's registry when absent. */
  registry?: RegistryReference;
  /** The injected handle; the process's balancer when absent. */
  loadBalancer?: LoadBalancerReference;
  /** Milliseconds for all jobs together; those that have not ended then are `timed_out`. @default unlimited */
  timeout?: number;
  /** When the aggregate counts as completed. Without one, a failing result does not fail it. */
  failurePolicy?: FailurePolicy;
}

/** The mode that each executor is asked for by. */
const modes: Record<FanOutExecutor, RunMode> = {
  http: "remote",
  local: "local",
  redis: "redis",
  postgres: "postgres",
  kubernetes: "k8s",
};

/** What a fan-out comes down to for the engine. */
export interface ShardedRun extends Omit<ShardRequest, "group" | "window"> {
  concurrency?: number;
}

/** Fan-outs of this replay so far. A replay has a context of its own, so they count alike each time. */
let groups = 0;

/**
 * Executes jobs and aggregates what they bring; for thousands of jobs as well as for one. Durable:
 * jobs are executed by at most 32 steps, and each result is journalled as it comes, so that after a
 * crash only those that were in flight are sent again, under the same `Idempotency-Key`. In a
 * sliding window over all regions; a job that waits for a server leaves its place to others.
 *
 * @returns jobs in the given order; a failed job is a part of it, so it never rejects for one
 * @throws OrchestratorError `CONFIG_INVALID` for an option, or an id that two jobs have
 */
export async function fanOut(
  jobs: readonly RunnerJob[],
  options: FanOutOptions = {},
): Promise<Aggregate> {
  const { concurrency, executor = "http", registry, loadBalancer, timeout } = options;
  // The process has one of each; a workflow's own could not cross the engine's boundary.
  handle(registry, "server-registry");
  handle(loadBalancer, "load-balancer");
  assertPositiveInteger("concurrency", concurrency);
  assertPositiveInteger("timeout", timeout);
  if (!Object.hasOwn(modes, executor)) {
    throw invalid("executor", `one of ${Object.keys(modes).join(", ")}`, executor);
  }
  assertPolicy(options.failurePolicy);
  const replies = await runShards({
    jobs: withIds(jobs, groups),
    mode: modes[executor],
    collect: true,
    ...(concurrency !== undefined && { concurrency }),
    ...(timeout !== undefined && { deadline: Date.now() + timeout }),
  });
  const settled = replies.flatMap(({ outcomes = [] }) =>
    outcomes.map((outcome) =>
      outcome.ok
        ? { status: "fulfilled" as const, value: outcome.result }
        : { status: "rejected" as const, reason: outcome.error },
    ),
  );
  const aggregate = aggregateResults(settled, jobs);
  const { failurePolicy: policy } = options;
  if (policy === undefined) return aggregate;
  return { ...aggregate, state: endStateOf(total(replies), { policy }) };
}

/** The counts of all shards together. */
export function total(replies: readonly ShardReply[]): JobCounts {
  const sum: JobCounts = {
    total: 0,
    completed: 0,
    failed: 0,
    timedOut: 0,
    cancelled: 0,
    passed: 0,
  };
  for (const { counts } of replies) {
    for (const key of Object.keys(sum) as (keyof JobCounts)[]) sum[key] += counts[key];
  }
  return sum;
}

/** Splits jobs into shards, each of which one step executes; one answer a shard, also for one that failed. */
export async function runShards({ jobs, concurrency, ...rest }: ShardedRun): Promise<ShardReply[]> {
  const group = groups++;
  const { from, to } = Array.isArray(jobs) ? { from: 0, to: jobs.length } : jobs;
  const indices = Array.from({ length: to - from }, (_, index) => from + index);
  return Promise.all(
    splitIntoShards(indices, concurrency).map(async ({ jobs: own, ...shard }) => {
      const range: JobRange = { from: own[0]!, to: own.at(-1)! + 1 };
      const part = Array.isArray(jobs) ? jobs.slice(range.from, range.to) : range;
      try {
        return await callStep<ShardReply>("executeShard", [
          {
            ...rest,
            ...shard,
            ...(concurrency !== undefined && { concurrency }),
            jobs: part,
            group,
          },
        ]);
      } catch (error) {
        return failedShard(own.length, Array.isArray(part) ? part : [], error);
      }
    }),
  );
}

/** A fan-in has to end, whatever became of a shard. */
function failedShard(total: number, jobs: readonly ShardJob[], error: unknown): ShardReply {
  const message = error instanceof Error ? error.message : String(error);
  return {
    counts: { total, completed: 0, failed: total, timedOut: 0, cancelled: 0, passed: 0 },
    outcomes: jobs.map(({ id }) => ({
      ok: false,
      error: { code: "EXECUTION_FAILED", message, data: { jobId: id } },
    })),
  };
}

/**
 * Jobs whose ids are unique in the run, also when the same ones are fanned out a second time. Outside of a
 * workflow the fan-outs of the process have nothing to do with each other; there the step tells them apart.
 */
function withIds(jobs: readonly RunnerJob[], group: number): ShardJob[] {
  if (!Array.isArray(jobs)) throw invalid("jobs", "an array", jobs);
  const seen = new Set<string>();
  return jobs.map((job: RunnerJob, index) => {
    const given = `${job?.id ?? `job-${index + 1}`}`;
    const id = inWorkflow() ? idInGroup(given, group) : given;
    if (seen.has(id)) throw invalid(`jobs[${index}].id`, "unique among the jobs", given);
    seen.add(id);
    return { ...job, id };
  });
}

/** An id as a fan-out of the run has it: `a`, `a~2`, `a~3`; `a~2` of the first one becomes `a~2~1`. */
function idInGroup(id: string, group: number): string {
  return group === 0 && !/~\d+$/.test(id) ? id : `${id}~${group + 1}`;
}

/** Before anything is sent: a policy that nobody can read would fail the workflow when all is done. */
function assertPolicy(policy: FailurePolicy | undefined): void {
  if (policy === undefined || policy === "all" || policy === "any") return;
  const given = Object(policy) as { quorum?: number; allowFailures?: number };
  const { quorum = 0, allowFailures = -1 } = given;
  if (Object.keys(given).length === 1) {
    if (Number.isInteger(quorum) && quorum >= 1) return;
    if (Number.isInteger(allowFailures) && allowFailures >= 0) return;
  }
  throw invalid(
    "failurePolicy",
    '"all", "any", {"allowFailures": n} of at least 0 or {"quorum": n} of at least 1',
    policy,
  );
}

function assertPositiveInteger(option: string, value: number | undefined): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1)) return;
  throw invalid(option, "an integer of at least 1", value);
}

function invalid(what: string, expected: string, got: unknown): OrchestratorError {
  return new OrchestratorError(
    "CONFIG_INVALID",
    `fanOut: ${what} must be ${expected} (got ${JSON.stringify(got)})`,
  );
}
