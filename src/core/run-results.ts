import type {
  RunJob,
  RunnerMatrix,
  RunOutcome,
  RunResults,
  RunStateName,
  RunStatus,
  Summary,
} from "../types/run.ts";
import type { RunnerResult } from "../types/runner.ts";
import { type FoldedJob, hasEnded, type RunFold } from "./run-state.ts";

/** What is known of a run beside its jobs. */
export interface RunFacts {
  runId: string;
  state: RunStateName;
  /** Epoch milliseconds. */
  createdAt: number;
  /** Epoch milliseconds at which the run ended. */
  completedAt?: number;
  tags?: readonly string[];
  /** Why the run itself failed. */
  error?: string;
}

type RegionSummary = RunResults["regions"][string];

/** A run's progress, in time that does not depend on how many jobs it has. */
export function runStatus(fold: RunFold, facts: RunFacts): RunStatus {
  const { runId, state, createdAt, completedAt, tags } = facts;
  const { total, completed, failed } = fold.counts;
  return {
    runId,
    state,
    totalJobs: total,
    completedJobs: completed,
    failedJobs: failed,
    createdAt: iso(createdAt),
    updatedAt: iso(Math.max(createdAt, fold.updatedAt ?? createdAt, completedAt ?? createdAt)),
    ...(tags && { tags: [...tags] }),
  };
}

/**
 * A run's results so far, its jobs in insertion order.
 *
 * @param now epoch milliseconds; where given, what still runs has the duration so far
 */
export function runResults(fold: RunFold, facts: RunFacts, now?: number): RunResults {
  const { runId, state, createdAt, completedAt, tags, error } = facts;
  const ended = hasEnded(state);
  const until = completedAt ?? (ended ? undefined : now);
  return {
    runId,
    state,
    jobs: fold.jobs.map((job) => toRunJob(job, now)),
    ...summaries(fold.jobs),
    ...(ended && { outcome: outcomeOf(fold.jobs) }),
    ...(tags && { tags: [...tags] }),
    ...(error !== undefined && { error }),
    createdAt: iso(createdAt),
    ...(completedAt !== undefined && { completedAt: iso(completedAt) }),
    ...(until !== undefined && { durationMs: Math.max(0, until - createdAt) }),
  };
}

/** `pass` when every region passed, `fail` when none did, else `partial`; a region passes by all its jobs. */
export function outcomeOf(jobs: readonly FoldedJob[]): RunOutcome {
  const all = new Set(jobs.map(regionOf));
  const failing = new Set(jobs.filter(({ passed }) => !passed).map(regionOf));
  if (failing.size === 0) return "pass";
  return failing.size === all.size ? "fail" : "partial";
}

/** Results counted over all jobs, by region, and by runner and region. */
function summaries(
  jobs: readonly FoldedJob[],
): Pick<RunResults, "regions" | "runners" | "summary"> {
  const summary = zero();
  const regions = new Map<string, RegionSummary>();
  const runners = new Map<string, Map<string, Summary>>();
  for (const job of jobs) {
    const name = regionOf(job);
    const region = entryOf(regions, name, () => ({ ...zero(), jobs: 0, failedJobs: 0 }));
    region.jobs++;
    if (job.state === "failed" || job.state === "timed_out") region.failedJobs++;
    // Also runners of which there is no result, so that a matrix shows the gap.
    for (const runner of job.planned.runners) cell(runners, runner.name, name);
    for (const result of job.results) {
      add(summary, result);
      add(region, result);
      add(cell(runners, result.name, name), result);
    }
  }
  return { summary, regions: Object.fromEntries(regions), runners: matrix(runners) };
}

function cell(runners: Map<string, Map<string, Summary>>, runner: string, region: string): Summary {
  return entryOf(
    entryOf(runners, runner, () => new Map<string, Summary>()),
    region,
    zero,
  );
}

/** By own properties only: `fromEntries` makes one also of a runner named `__proto__`. */
function matrix(runners: Map<string, Map<string, Summary>>): RunnerMatrix {
  return Object.fromEntries([...runners].map(([name, row]) => [name, Object.fromEntries(row)]));
}

function entryOf<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function zero(): Summary {
  return { total: 0, passed: 0, failed: 0, errored: 0 };
}

function add(summary: Summary, { status }: RunnerResult): void {
  summary.total++;
  if (status === "pass") summary.passed++;
  else if (status === "fail") summary.failed++;
  else summary.errored++;
}

function toRunJob(job: FoldedJob, now: number | undefined): RunJob {
  const { planned, startedAt, completedAt, state, results } = job;
  const running = state === "running" && startedAt !== undefined && now !== undefined;
  const durationMs = job.durationMs ?? (running ? Math.max(0, now - startedAt) : undefined);
  return {
    jobId: planned.id,
    url: planned.url,
    ...(planned.region !== undefined && { region: planned.region }),
    state,
    ...(job.server !== undefined && { server: job.server }),
    results,
    ...(job.error !== undefined && { error: job.error }),
    ...(job.attempts && { attempts: job.attempts }),
    ...(job.waiting !== undefined && { waiting: job.waiting }),
    ...(startedAt !== undefined && { startedAt: iso(startedAt) }),
    ...(completedAt !== undefined && { completedAt: iso(completedAt) }),
    ...(durationMs !== undefined && { durationMs }),
  };
}

function regionOf({ planned }: FoldedJob): string {
  return planned.region ?? "default";
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
