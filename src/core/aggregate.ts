import type {
  AggregatedJob,
  Aggregate,
  Attempt,
  JobResult,
  RunnerJob,
  Summary,
} from "../types/run.ts";
import { isPlainObject, sanitizeResult } from "./runner-result.ts";

/** What a job may settle to: its result, or the form workflows wrap it in. */
export type JobOutcome = JobResult | { job?: RunnerJob; server?: string; result: JobResult };

/**
 * Counts what a fan-in brought: one entry a job, the results by status, and both by region. Never
 * throws: what cannot be read becomes a failed job that says so.
 *
 * @param settled outcomes in the order of `jobs`, as `Promise.allSettled` or `mapSettled` give them
 */
export function aggregateResults(
  settled: readonly PromiseSettledResult<unknown>[],
  jobs: readonly RunnerJob[],
): Aggregate {
  const outcomes = Array.isArray(settled) ? settled : [];
  const known = Array.isArray(jobs) ? jobs : [];
  const aggregated = Array.from({ length: Math.max(outcomes.length, known.length) }, (_, index) =>
    readSafely(outcomes[index], known[index], index),
  );
  return {
    state: stateOf(aggregated),
    jobs: aggregated,
    summary: summarize(aggregated),
    regions: Object.fromEntries(
      [...byRegion(aggregated)].map(([region, group]) => [
        region,
        {
          ...summarize(group),
          jobs: group.length,
          failedJobs: group.filter(({ state }) => state !== "completed").length,
        },
      ]),
    ),
  };
}

/** A timeout outranks a failure, and a failing result is neither. */
function stateOf(jobs: readonly AggregatedJob[]): Aggregate["state"] {
  if (jobs.some(({ state }) => state === "timed_out")) return "timed_out";
  return jobs.some(({ state }) => state === "failed") ? "failed" : "completed";
}

function summarize(jobs: readonly AggregatedJob[]): Summary {
  const statuses = jobs.flatMap(({ results }) => results.map(({ status }) => status));
  const count = (status: string): number => statuses.filter((one) => one === status).length;
  return {
    total: statuses.length,
    passed: count("pass"),
    failed: count("fail"),
    errored: count("error"),
  };
}

function byRegion(jobs: readonly AggregatedJob[]): Map<string, AggregatedJob[]> {
  const groups = new Map<string, AggregatedJob[]>();
  for (const job of jobs) {
    const region = job.region ?? "default";
    const group = groups.get(region);
    if (group) group.push(job);
    else groups.set(region, [job]);
  }
  return groups;
}

/** Reads a job's outcome, also one whose properties throw when they are read. */
function readSafely(outcome: unknown, given: unknown, index: number): AggregatedJob {
  try {
    return readJob(outcome, given, index);
  } catch {
    const error = "The job's outcome cannot be read";
    return { jobId: `job-${index + 1}`, state: "failed", results: [], error };
  }
}

function readJob(outcome: unknown, given: unknown, index: number): AggregatedJob {
  const settled = asObject(outcome);
  const value = asObject(settled.value);
  const result = isPlainObject(value.result) ? value.result : value;
  const job = asObject(given ?? value.job);
  const reason = settled.status === "rejected" ? settled.reason : undefined;
  const detail = asObject(asObject(reason).data);
  const identity = {
    jobId: text(result.jobId) ?? text(detail.jobId) ?? text(job.id) ?? `job-${index + 1}`,
    ...optional("url", text(job.url)),
    ...optional("region", text(job.region) ?? text(result.region)),
  };
  if (settled.status === "fulfilled" && Array.isArray(result.results)) {
    const names = runnerNames(job.runners);
    return {
      ...identity,
      state: "completed",
      ...optional("server", text(result.server) ?? text(value.server)),
      results: result.results.map((one, at) => sanitizeResult(one, names[at])),
      ...optional("attempts", attemptsOf(result.attempts)),
      ...optional(
        "durationMs",
        typeof result.durationMs === "number" ? result.durationMs : undefined,
      ),
    };
  }
  const timedOut = asObject(reason).code === "SERVER_TIMEOUT";
  return {
    ...identity,
    state: timedOut ? "timed_out" : "failed",
    results: [],
    error: settled.status === "rejected" ? messageOf(reason) : "The job ended without results",
    ...optional("attempts", attemptsOf(detail.attempts)),
  };
}

/** What the job asked for, for results that do not say their name. */
function runnerNames(runners: unknown): (string | undefined)[] {
  if (!Array.isArray(runners)) return [];
  return runners.map((runner: unknown) => text(runner) ?? text(asObject(runner).name));
}

function attemptsOf(value: unknown): Attempt[] | undefined {
  return Array.isArray(value) ? (value as Attempt[]) : undefined;
}

function messageOf(reason: unknown): string {
  return text(asObject(reason).message) ?? text(reason) ?? JSON.stringify(reason) ?? String(reason);
}

/** The value where its properties can be read, else an object without any. */
function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function optional<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}
