import type { JobEntry, JournalEntry } from "../types/journal.ts";
import type { FailurePolicy, JobCounts, PlannedJob, RunJob, RunStateName } from "../types/run.ts";
import { sanitizeResults } from "./runner-result.ts";

/** A run's jobs as its journal has them so far. */
export interface RunFold {
  /** Live; not to be changed by whoever reads it. */
  readonly counts: Readonly<JobCounts>;
  /** Epoch milliseconds of the latest entry; undefined before the first. */
  readonly updatedAt: number | undefined;
  /** The jobs so far, in insertion order; not to be changed by whoever reads them. */
  readonly jobs: readonly FoldedJob[];
  /** Takes an entry in. A job's first end wins; what comes after it, and entries of no job, count for nothing. */
  apply(entry: JournalEntry): void;
  /** Ends every job that has not ended, as the end of its run does. `at` is epoch milliseconds. */
  end(state: "cancelled" | "failed" | "timed_out", at: number, error?: string): void;
}

/** One job of a fold. Times are epoch milliseconds. */
export interface FoldedJob extends Pick<
  RunJob,
  "attempts" | "durationMs" | "error" | "results" | "server" | "state" | "waiting"
> {
  readonly planned: PlannedJob;
  /** Whether every result of it is a pass. */
  passed: boolean;
  startedAt?: number;
  completedAt?: number;
}

/** An entry that ends a job. */
type EndEntry = Exclude<JobEntry, { type: "job.started" | "job.waiting" }>;

/** Folds a run's journal, entry by entry. */
export function createRunFold(planned: readonly PlannedJob[]): RunFold {
  const jobs = planned.map((job): FoldedJob => ({
    planned: job,
    state: "queued",
    results: [],
    passed: false,
  }));
  const byId = new Map(jobs.map((job) => [job.planned.id, job]));
  const counts: JobCounts = {
    total: jobs.length,
    completed: 0,
    failed: 0,
    timedOut: 0,
    cancelled: 0,
    passed: 0,
  };
  let updatedAt: number | undefined;

  function apply(entry: JournalEntry): void {
    if (entry.type === "checkpoint" || entry.type === "log") return;
    const job = byId.get(entry.jobId);
    if (!job || hasEnded(job.state)) return;
    // Clocks of several machines: the latest time is not always the last entry's.
    updatedAt = Math.max(updatedAt ?? entry.at, entry.at);
    switch (entry.type) {
      case "job.waiting":
        job.waiting = entry.reason;
        break;
      case "job.started":
        job.state = "running";
        job.startedAt ??= entry.at;
        delete job.waiting;
        break;
      case "job.completed":
      case "job.cancelled":
      case "job.failed":
      case "job.timed_out":
        endJob(job, entry);
        count(counts, job);
        break;
    }
  }

  return {
    counts,
    jobs,
    get updatedAt() {
      return updatedAt;
    },
    apply,
    end(state, at, error = `The run ended before the job: ${state}`) {
      for (const job of jobs) apply({ type: `job.${state}`, jobId: job.planned.id, at, error });
    },
  };
}

/**
 * The state an ended run is in, from its jobs and its failure policy. Without a policy a timeout
 * outranks a failed job, and a failing result is neither.
 *
 * @param options.timedOut whether the run's own timeout passed
 */
export function endStateOf(
  counts: Readonly<JobCounts>,
  { policy, timedOut = false }: { policy?: FailurePolicy; timedOut?: boolean } = {},
): "completed" | "failed" | "timed_out" {
  const good = policy === undefined ? counts.completed === counts.total : satisfies(counts, policy);
  if (good && (policy !== undefined || !timedOut)) return "completed";
  return timedOut || counts.timedOut > 0 ? "timed_out" : "failed";
}

/** What of a run's jobs kept it from being completed, in words. */
export function shortfallOf({ total, failed, timedOut, passed }: Readonly<JobCounts>): string {
  if (failed === 0) return `${total - passed} of ${total} jobs did not pass`;
  return `${failed} of ${total} jobs failed${timedOut > 0 ? `, ${timedOut} of them timed out` : ""}`;
}

/** Whether a job was answered, and every result of it is a pass. */
export function jobPassed({ state, results }: Pick<RunJob, "results" | "state">): boolean {
  return (
    state === "completed" && results.length > 0 && results.every(({ status }) => status === "pass")
  );
}

function satisfies({ passed, total }: Readonly<JobCounts>, policy: FailurePolicy): boolean {
  if (policy === "all") return passed === total;
  if (policy === "any") return passed > 0;
  return "quorum" in policy ? passed >= policy.quorum : total - passed <= policy.allowFailures;
}

/** Whether a run or a job is in a state that it stays in. */
export function hasEnded(state: RunStateName): boolean {
  return state !== "queued" && state !== "running";
}

function endJob(job: FoldedJob, entry: EndEntry): void {
  delete job.waiting;
  job.completedAt = entry.at;
  if (entry.durationMs !== undefined) {
    job.durationMs = entry.durationMs;
    // A journal may leave the start out; the duration tells it.
    job.startedAt ??= entry.at - entry.durationMs;
  }
  if (entry.type === "job.completed") return completeJob(job, entry);
  job.state = entry.type.slice("job.".length) as RunStateName;
  job.error = entry.error;
  if (entry.attempts) job.attempts = entry.attempts;
}

function completeJob(
  job: FoldedJob,
  { result }: Extract<JobEntry, { type: "job.completed" }>,
): void {
  const { server, attempts, results } = result;
  if (attempts) job.attempts = attempts;
  if (server) job.server = server;
  if (!Array.isArray(results)) {
    job.state = "failed";
    job.error = "The job ended without results";
    return;
  }
  job.state = "completed";
  job.results = sanitizeResults(results, job.planned.runners);
  job.passed = jobPassed(job);
}

function count(counts: JobCounts, { state, passed }: FoldedJob): void {
  if (state === "completed") counts.completed++;
  if (state === "failed" || state === "timed_out") counts.failed++;
  if (state === "timed_out") counts.timedOut++;
  if (state === "cancelled") counts.cancelled++;
  if (passed) counts.passed++;
}
