import type { JobEntry, JournalEntry } from "../types/journal.ts";
import type { JobCounts } from "../types/run.ts";
import type { ShardOutcome } from "../types/shard.ts";
import { type ErrorData, isOrchestratorError } from "./errors.ts";

/** An entry that ends its job. */
export type JobEnd = Exclude<JobEntry, { type: "job.started" | "job.waiting" }>;

/** True for an entry that ends its job. */
export function isJobEnd(entry: JournalEntry): entry is JobEnd {
  return /^job\.(?!started$|waiting$)/.test(entry.type);
}

/** Counts jobs by how they ended. */
export function countEnds(ends: readonly JobEnd[]): JobCounts {
  const count = (type: JobEnd["type"]): number => ends.filter((end) => end.type === type).length;
  return {
    total: ends.length,
    completed: count("job.completed"),
    failed: count("job.failed") + count("job.timed_out"),
    timedOut: count("job.timed_out"),
    cancelled: count("job.cancelled"),
    passed: ends.filter(hasPassed).length,
  };
}

/** True for a job that was answered, and whose results are all `pass`. */
function hasPassed(end: JobEnd): boolean {
  if (end.type !== "job.completed") return false;
  const { results } = end.result;
  return results.length > 0 && results.every(({ status }) => status === "pass");
}

/** What a workflow author gets for a job's end. */
export function outcomeOf(end: JobEnd): ShardOutcome {
  if (end.type === "job.completed") return { ok: true, result: end.result };
  const { jobId, error: message, attempts } = end;
  const code = end.type === "job.timed_out" ? "SERVER_TIMEOUT" : (end.code ?? "EXECUTION_FAILED");
  return { ok: false, error: { code, message, data: { jobId, ...(attempts && { attempts }) } } };
}

/** A failed job's end, from what its execution rejected with. */
export function failedEnd(
  jobId: string,
  error: unknown,
  at: number,
  durationMs: number,
): Exclude<JobEnd, { type: "job.completed" }> {
  const timedOut = isOrchestratorError(error) && error.code === "SERVER_TIMEOUT";
  const attempts = (error as Partial<ErrorData>).data?.["attempts"];
  return {
    type: timedOut ? "job.timed_out" : "job.failed",
    jobId,
    at,
    durationMs,
    error: failureMessage(error),
    ...(isOrchestratorError(error) && { code: error.code }),
    ...(Array.isArray(attempts) && { attempts }),
  };
}

/** An error's message, in the words that callers of the run API know for what they can mend. */
export function failureMessage(error: unknown): string {
  if (!isOrchestratorError(error)) return error instanceof Error ? error.message : String(error);
  const { code, data = {}, message } = error;
  const list = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : "");
  if (code === "NO_SERVER_AVAILABLE" && data["registered"] === 0) {
    if (list(data["regions"]) === "") {
      return "PLAYWRIGHT_RUNNERS environment variable is not set. Expected JSON object mapping regions to URLs.";
    }
    return `No runner URL found for region "${String(data["region"])}". Available regions: ${list(data["regions"])}`;
  }
  if (code === "RUNNER_NOT_FOUND" && Array.isArray(data["missingRunners"])) {
    return `Runners not found: ${list(data["missingRunners"])}. Available runners: ${list(data["availableRunners"]) || "none"}`;
  }
  return message;
}
