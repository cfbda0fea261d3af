import type { CheckpointEntry, JobEntry, JournalEntry, LogEntry } from "../types/journal.ts";
import type { RunStateName } from "../types/run.ts";
import type { Checkpoint, FollowedEvent, RunJobChange, RunLog } from "../types/service.ts";
import { isJobEnd } from "./job-ends.ts";
import { jobPassed } from "./run-state.ts";

/** What a run's journal tells its followers, entry by entry. */
export interface EventFold {
  /** The event of the next entry; undefined for one that tells nothing new. */
  next(entry: JournalEntry): Exclude<FollowedEvent, { event: "status" }> | undefined;
  /** Whether the end of this job was told. */
  hasEnded(jobId: string): boolean;
}

/**
 * Folds a journal into events. A checkpoint's `ts` is later than that of the one before, whatever the
 * clocks said: by the journal's order alone, so that every reader comes to the same.
 */
export function createEventFold(runId: string): EventFold {
  const seen = new Set<string>();
  const started = new Set<string>();
  const ended = new Set<string>();
  let last = -Infinity;

  function checkpointOf(entry: CheckpointEntry): Checkpoint | undefined {
    if (seen.has(entry.id)) return undefined;
    seen.add(entry.id);
    last = Math.max(entry.at, last + 1);
    return {
      id: entry.id,
      runId,
      ts: iso(last),
      type: entry.kind,
      ...(entry.data !== undefined && { data: entry.data }),
    };
  }

  function changeOf(entry: JobEntry): RunJobChange | undefined {
    const { jobId } = entry;
    if (ended.has(jobId)) return undefined;
    if (isJobEnd(entry)) ended.add(jobId);
    else if (entry.type === "job.started") started.add(jobId);
    return jobChange(runId, entry, started.has(jobId));
  }

  return {
    next(entry) {
      if (entry.type === "log") return { event: "log", data: logOf(runId, entry) };
      if (entry.type === "checkpoint") {
        const data = checkpointOf(entry);
        return data && { event: "checkpoint", data };
      }
      const data = changeOf(entry);
      return data && { event: "job", data };
    },
    hasEnded: (jobId) => ended.has(jobId),
  };
}

function jobChange(runId: string, entry: JobEntry, started: boolean): RunJobChange {
  const { jobId, at } = entry;
  const about = { runId, jobId, at: iso(at) };
  switch (entry.type) {
    case "job.started":
      return { ...about, state: "running" };
    case "job.waiting":
      return { ...about, state: started ? "running" : "queued", waiting: entry.reason };
    case "job.completed": {
      const { server, results } = entry.result;
      const passed = jobPassed({ state: "completed", results });
      return { ...about, state: "completed", server, passed, durationMs: entry.durationMs };
    }
    default: {
      const state = entry.type.slice("job.".length) as RunStateName;
      const { error, durationMs } = entry;
      return { ...about, state, error, ...(durationMs !== undefined && { durationMs }) };
    }
  }
}

function logOf(runId: string, { at, message, meta, jobId, runner }: LogEntry): RunLog {
  return {
    runId,
    at: iso(at),
    message,
    ...(meta && { meta }),
    ...(jobId !== undefined && { jobId }),
    ...(runner !== undefined && { runner }),
  };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
