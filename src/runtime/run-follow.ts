import { createEventFold, type EventFold } from "../core/run-events.ts";
import { hasEnded } from "../core/run-state.ts";
import type { RunJob, RunStateName } from "../types/run.ts";
import type { FollowOptions, FollowedEvent } from "../types/service.ts";
import type { JournalCursor, Journals } from "./journal.ts";
import { listenTo, type RunWatchers } from "./run-watchers.ts";

/** What a run is followed with. */
export interface FollowParts {
  journals: Pick<Journals, "pages">;
  /** Told of a run's start and end, and of what is new in its journal. */
  news: RunWatchers;
  /** The run's state now; undefined once it is not kept any more. */
  stateOf: (runId: string) => Promise<RunStateName | undefined>;
  /** What became of the run's jobs, once it has ended; the journal may lack the ends that the run's own brought. */
  jobsOf: (runId: string) => Promise<readonly RunJob[]>;
  /** Milliseconds after which a run is looked at without news, since another process may bring them. */
  reread: number;
}

/** Chunks of a journal that one follower has in memory at a time. */
const CHUNKS = 16;

/**
 * Tells what happened to a run and what happens until it has ended: at the pace of whoever asks, out of
 * the journal, so that one who is slow costs no memory.
 *
 * @param id the id that is told, which may be the caller's own
 */
export async function* followRun(
  parts: FollowParts,
  { runId, id }: { runId: string; id: string },
  options: FollowOptions,
): AsyncGenerator<FollowedEvent> {
  const news = listenTo(parts.news, runId, [options.signal]);
  try {
    const begin = options.after ?? (await skipped(parts, runId, options));
    const reader = createReader(parts, { runId, id }, begin);
    let told: RunStateName | undefined;
    while (!options.signal.aborted) {
      news.reset();
      // The state first: once it says that the run has ended, the journal is complete.
      const state = await parts.stateOf(runId);
      yield* reader.events(options.signal);
      // Of what was left out then, no status may say that it was all there was.
      if (state === undefined || options.signal.aborted) return;
      const ended = hasEnded(state);
      if (ended) yield* unjournalled(parts, { runId, id }, reader.fold);
      if (state !== told) yield { event: "status", data: { runId: id, state } };
      if (ended) return;
      told = state;
      await news.within(parts.reread);
    }
  } finally {
    news.stop();
  }
}

/** Where a reader begins: behind a checkpoint's `ts`, or after so many checkpoints and log lines. */
type Begin = string | { checkpoints: number; logs: number };

/** How many checkpoints and log lines come before the latest ones. */
async function skipped(
  parts: FollowParts,
  runId: string,
  { replay, signal }: FollowOptions,
): Promise<Begin> {
  const count = { checkpoint: 0, log: 0, job: 0 };
  const fold = createEventFold(runId);
  for await (const { entries } of parts.journals.pages(runId, undefined, CHUNKS)) {
    if (signal.aborted) break;
    for (const entry of entries) {
      const event = fold.next(entry);
      if (event) count[event.event]++;
    }
  }
  return {
    checkpoints: Math.max(0, count.checkpoint - replay),
    logs: Math.max(0, count.log - replay),
  };
}

/**
 * Reads on in a run's journal. A checkpoint is told once. Jobs and logs are told from where the follower
 * begins; again only where another process has changed what is there already.
 */
function createReader(
  parts: FollowParts,
  { runId, id }: { runId: string; id: string },
  begin: Begin,
): { fold: EventFold; events: (signal: AbortSignal) => AsyncGenerator<FollowedEvent> } {
  const after = typeof begin === "string" ? begin : "";
  const left = typeof begin === "string" ? { checkpoints: 0, logs: 0 } : { ...begin };
  const told = new Set<string>();
  let cursor: JournalCursor | undefined;
  let fold = createEventFold(id);
  /** Whether what is read comes after where the follower begins. */
  let begun = after === "";

  function wanted(event: FollowedEvent): boolean {
    if (event.event === "checkpoint") {
      const { id: checkpointId, ts } = event.data;
      if (ts >= after) begun = true;
      if (told.has(checkpointId)) return false;
      told.add(checkpointId);
      return ts > after && left.checkpoints-- <= 0;
    }
    if (event.event === "log") return begun && left.logs-- <= 0;
    return begun;
  }

  return {
    get fold() {
      return fold;
    },
    async *events(signal) {
      for await (const page of parts.journals.pages(runId, cursor, CHUNKS)) {
        if (page.anew) fold = createEventFold(id);
        for (const entry of page.entries) {
          // Whoever has gone would take all that is left, and at once.
          if (signal.aborted) return;
          const event = fold.next(entry);
          if (event && wanted(event)) yield event;
        }
        cursor = page.cursor;
      }
      // What comes from now on is new, whether or not that checkpoint was among what there is.
      begun = true;
    },
  };
}

/** The ends of jobs that the run's own end brought, such as those of a cancelled run. */
async function* unjournalled(
  parts: FollowParts,
  { runId, id }: { runId: string; id: string },
  fold: EventFold,
): AsyncGenerator<FollowedEvent> {
  for (const job of await parts.jobsOf(runId)) {
    if (fold.hasEnded(job.jobId) || !hasEnded(job.state)) continue;
    const at = job.completedAt ?? new Date().toISOString();
    const { jobId, state, error } = job;
    yield {
      event: "job",
      data: { runId: id, jobId, state, at, ...(error !== undefined && { error }) },
    };
  }
}
