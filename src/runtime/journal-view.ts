import { isJobEnd, type JobEnd } from "../core/job-ends.ts";
import { type EventEntry, eventKey } from "../core/runner-events.ts";
import type { CheckpointEntry, JobEntry, LogEntry } from "../types/journal.ts";
import type { JournalCursor, Journals } from "./journal.ts";

/** Milliseconds within which progress is journalled. */
const NOTE_MS = 50;

/** A run's journal as its shards need it: what has ended, read once for all of them. */
export interface JournalView {
  ends(): Promise<ReadonlyMap<string, JobEnd>>;
  /** Adds an entry that nobody waits for, unless its job ends within a moment: its end tells all that it would. */
  note(entry: JobEntry): void;
  /** Adds what a job's runner told, once, behind its progress so far and before all that is added later. */
  event(entry: EventEntry): void;
  /** Resolves when a job's end is stored, and what its runner told before. */
  end(entry: JobEnd): Promise<void>;
  close(): void;
}

/** The view of a run's journal, nothing read yet. */
export function viewJournal(journals: Journals, runId: string): JournalView {
  const ends = new Map<string, JobEnd>();
  /** What was told of the jobs without an end before they were taken up here; their servers may tell it again. */
  const told = new Map<string, Set<string>>();
  let cursor: JournalCursor | undefined;
  let reading: Promise<unknown> = Promise.resolve();
  const notes = new Map<string, JobEntry[]>();
  /** The last event of each job that is being stored. */
  const telling = new Map<string, Promise<unknown>>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function read(): Promise<void> {
    const first = cursor === undefined;
    const page = await journals.read(runId, cursor);
    ({ cursor } = page);
    if (page.anew) ends.clear();
    for (const entry of page.entries) {
      if (isJobEnd(entry) && !ends.has(entry.jobId)) ends.set(entry.jobId, entry);
      else if (first && (entry.type === "checkpoint" || entry.type === "log")) remember(entry);
    }
    if (told.size > 0) for (const jobId of ends.keys()) told.delete(jobId);
  }

  function remember(entry: CheckpointEntry | LogEntry): void {
    if (entry.jobId === undefined) return;
    const keys = told.get(entry.jobId) ?? new Set();
    told.set(entry.jobId, keys.add(eventKey(entry)));
  }

  function flush(): void {
    timer = undefined;
    const entries = [...notes.values()].flat();
    notes.clear();
    // Progress that is lost is told by the next entry; a journal that cannot be written fails at a job's end.
    if (entries.length > 0) journals.append(runId, entries).catch(() => undefined);
  }

  return {
    async ends() {
      const turn = reading.then(read, read);
      reading = turn;
      await turn;
      return ends;
    },
    note(entry) {
      const own = notes.get(entry.jobId);
      if (own) own.push(entry);
      else notes.set(entry.jobId, [entry]);
      timer ??= setTimeout(flush, NOTE_MS);
    },
    event(entry) {
      if (told.get(entry.jobId)?.has(eventKey(entry))) return;
      const own = notes.get(entry.jobId) ?? [];
      notes.delete(entry.jobId);
      // A line that cannot be written must not fail its job, which fails at its end if nothing can be.
      const stored = journals.append(runId, [...own, entry]).catch(() => undefined);
      telling.set(entry.jobId, stored);
    },
    async end(entry) {
      notes.delete(entry.jobId);
      // Once its run has ended, nobody may add to a journal.
      if (entry.type !== "job.cancelled") await journals.append(runId, [entry]);
      // An append of nothing, as of loose jobs, does not wait for those before it.
      await telling.get(entry.jobId);
      telling.delete(entry.jobId);
    },
    close: () => clearTimeout(timer),
  };
}
