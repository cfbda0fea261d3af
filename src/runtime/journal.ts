import type { JournalEntry } from "../types/journal.ts";
import type { World } from "./engine-world.ts";

/** A place in a journal. */
export interface JournalCursor {
  /** The World's own cursor of where the last reading began; the journal's start when absent. */
  page?: string;
  /** Chunks that have been read from there. */
  seen: number;
  /** The last of them. */
  last?: Uint8Array;
}

/** The journals of runs: append-only, durable, readable by every process on the same World. */
export interface Journals {
  /** Adds entries, in the order of the calls; resolves when they are stored. */
  append(runId: string, entries: readonly JournalEntry[]): Promise<void>;
  /**
   * Everything after the cursor, oldest first, and the cursor after it. Where another process had stored
   * an entry before what was read already, it is `anew`: everything there is.
   */
  read(runId: string, cursor?: JournalCursor): Promise<JournalPage>;
  /** The same in pages of at most `limit` chunks, so that a long journal is never in memory as a whole. */
  pages(runId: string, cursor?: JournalCursor, limit?: number): AsyncIterable<JournalPage>;
}

/** Entries of a journal, and the place behind them. */
export interface JournalPage {
  entries: JournalEntry[];
  cursor: JournalCursor;
  /** Whether the entries begin at the journal's start though the cursor did not. */
  anew?: boolean;
}

/** Chunks that are read at a time. */
const PAGE = 100;

/** Characters of a chunk; beyond them a batch of entries goes into several. */
const CHUNK = 131_072;

/** A journal's entries that wait for the write under way; they are stored together. */
interface Batch {
  lines: string[];
  stored: Promise<void>;
}

/**
 * Journals kept as one stream a run, each chunk of which holds lines of JSON.
 *
 * @param onAppend told of each run whose journal has grown
 */
export function createJournals(
  world: () => World,
  onAppend: (runId: string) => void = () => undefined,
): Journals {
  const writing = new Map<string, { current: Promise<void>; next?: Batch }>();

  async function write(runId: string, lines: readonly string[]): Promise<void> {
    for (const chunk of chunksOf(lines)) {
      await world().writeToStream(journalStream(runId), runId, chunk);
    }
    onAppend(runId);
  }

  function append(runId: string, entries: readonly JournalEntry[]): Promise<void> {
    const lines = entries.map((entry) => JSON.stringify(entry));
    const state = writing.get(runId);
    if (state) {
      // Chunks of one stream keep their order only when they are written one after another.
      state.next ??= follow(runId, state.current);
      state.next.lines.push(...lines);
      return state.next.stored;
    }
    const current = Promise.resolve().then(() => write(runId, lines));
    track(runId, current);
    return current;
  }

  /** A batch that is written when the write before it has ended, however it ended. */
  function follow(runId: string, before: Promise<void>): Batch {
    const batch: Batch = { lines: [], stored: Promise.resolve() };
    const begin = (): Promise<void> => {
      const current = write(runId, batch.lines);
      track(runId, current);
      return current;
    };
    batch.stored = before.then(begin, begin);
    return batch;
  }

  function track(runId: string, current: Promise<void>): void {
    const state: { current: Promise<void>; next?: Batch } = { current };
    writing.set(runId, state);
    const done = (): void => {
      if (writing.get(runId) === state && !state.next) writing.delete(runId);
    };
    current.then(done, done);
  }

  async function* pages(
    runId: string,
    cursor: JournalCursor = { seen: 0 },
    size: number = PAGE,
  ): AsyncGenerator<JournalPage> {
    let { page, seen, last } = cursor;
    let anew = false;
    for (;;) {
      // A World has no cursor for the end of what there is: what was read last is read again, and only if
      // there is more behind it, that is gone on to.
      const options = { limit: seen || size, ...(page !== undefined && { cursor: page }) };
      const chunks = await world().getStreamChunks(journalStream(runId), runId, options);
      if (seen > 0 && last && !equal(last, chunks.data[seen - 1]?.data)) {
        page = undefined;
        seen = 0;
        last = undefined;
        anew = true;
        continue;
      }
      const entries = chunks.data.slice(seen).flatMap(({ data }) => parse(data));
      seen = chunks.data.length;
      last = chunks.data.at(-1)?.data;
      yield {
        entries,
        cursor: { seen, ...(page !== undefined && { page }), ...(last && { last }) },
        ...(anew && { anew }),
      };
      if (!chunks.hasMore || !chunks.cursor) return;
      page = chunks.cursor;
      seen = 0;
      anew = false;
    }
  }

  return {
    append,
    pages,
    async read(runId, cursor = { seen: 0 }) {
      const all: JournalPage = { entries: [], cursor };
      for await (const page of pages(runId, cursor)) {
        if (page.anew) all.anew = true;
        all.cursor = page.cursor;
        for (const entry of page.entries) all.entries.push(entry);
      }
      return all;
    },
  };
}

/**
 * For jobs that no run was planned with: they have no ends in a journal, and what their runners tell is kept
 * only where they belong to a run.
 */
export function looseJournals(journals: Journals, isRun: (id: string) => boolean): Journals {
  return {
    async append(runId, entries) {
      const kept = entries.filter(({ type }) => type === "checkpoint" || type === "log");
      if (kept.length > 0 && isRun(runId)) await journals.append(runId, kept);
    },
    read: () => Promise.resolve({ entries: [], cursor: { seen: 0 } }),
    async *pages() {
      yield { entries: [], cursor: { seen: 0 } };
    },
  };
}

/** Lines as chunks of a bounded size; an entry is never cut. */
function chunksOf(lines: readonly string[]): string[] {
  const chunks: string[] = [];
  let chunk = "";
  for (const line of lines) {
    if (chunk !== "" && chunk.length + line.length > CHUNK) {
      chunks.push(chunk);
      chunk = "";
    }
    chunk += `${line}\n`;
  }
  return [...chunks, chunk];
}

/** The stream that is a run's journal: the engine names streams so, with the part of the run's id that is its own. */
export function journalStream(runId: string): string {
  return `strm_${runId.replace(/^wrun_/, "")}_system_journal`;
}

function equal(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}

const decoder = new TextDecoder();

function parse(chunk: Uint8Array): JournalEntry[] {
  return decoder
    .decode(chunk)
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JournalEntry);
}
