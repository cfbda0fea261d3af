import { promisify } from "node:util";
import { deflateRaw, inflateRaw } from "node:zlib";
import { hydrateResourceIO, observabilityRevivers } from "workflow/observability";
import { createRunFold, type RunFold } from "../core/run-state.ts";
import type { PackedRunInput, RunInput, RunOutput } from "../types/run.ts";
import type { StoredRun, World } from "./engine-world.ts";
import type { JournalCursor, Journals } from "./journal.ts";

/** What a run was started with, and what its journal says so far. */
export interface RunView {
  input: RunInput;
  fold: RunFold;
}

/** The runs that are looked at, kept in memory so that each look reads only what is new. */
export interface RunViews {
  /** The view of a run, brought up to its journal's end; what was read of the run must have been read before. */
  current(runId: string): Promise<RunView>;
  /** What a run was started with. */
  input(runId: string): Promise<RunInput>;
  /** Has the next look at a run read its journal from the start. */
  forget(runId: string): void;
  /** Spares the first look the reading of what a run is known to have been started with. */
  started(runId: string, input: RunInput): void;
}

/** Jobs of all views together; the view that was looked at longest ago goes first. */
const MAX_JOBS = 30_000;

const deflate = promisify<string, object, Buffer>(deflateRaw);
const inflate = promisify<Buffer, Buffer>(inflateRaw);

/** Makes views over a World and its journals. */
export function createRunViews(
  world: () => World,
  journals: Journals,
  maxJobs: number = MAX_JOBS,
): RunViews {
  const views = new Map<string, Entry>();
  let jobs = 0;

  function entryOf(runId: string, known?: RunInput): Entry {
    const entry: Entry = {
      jobs: 0,
      view: load(runId, known, (count) => makeRoom(runId, entry, count)),
    };
    return entry;
  }

  async function load(
    runId: string,
    known: RunInput | undefined,
    onLoad: (jobs: number) => void,
  ): Promise<CachedView> {
    // Also what is known is counted only once its entry stands among the others.
    const input = await (known ?? world().runs.get(runId).then(inputOf));
    onLoad(input.jobs.length);
    return { input, fold: createRunFold(input.jobs), reading: Promise.resolve() };
  }

  /** Counts a view's jobs, and forgets others for them; without waiting, since others do the same meanwhile. */
  function makeRoom(runId: string, entry: Entry, count: number): void {
    if (views.get(runId) !== entry) return;
    entry.jobs = count;
    jobs += count;
    for (const [other, { jobs: counted }] of views) {
      if (jobs <= maxJobs) return;
      // What is being loaded has no jobs yet.
      if (other !== runId && counted > 0) forget(other);
    }
  }

  function forget(runId: string): void {
    jobs -= views.get(runId)?.jobs ?? 0;
    views.delete(runId);
  }

  async function cached(runId: string): Promise<CachedView> {
    const entry = views.get(runId) ?? entryOf(runId);
    // Put at the end, which is the place of the newest.
    views.delete(runId);
    views.set(runId, entry);
    try {
      return await entry.view;
    } catch (error) {
      if (views.get(runId) === entry) forget(runId);
      throw error;
    }
  }

  async function read(runId: string, view: CachedView): Promise<void> {
    const page = await journals.read(runId, view.cursor);
    view.cursor = page.cursor;
    // By the order of the journal, whatever this process saw first: then all processes come to the same.
    if (page.anew) view.fold = createRunFold(view.input.jobs);
    for (const entry of page.entries) view.fold.apply(entry);
  }

  return {
    async current(runId) {
      const view = await cached(runId);
      const turn = view.reading.then(() => read(runId, view));
      // One who could not read must not keep the next from trying.
      view.reading = turn.catch(() => undefined);
      await turn;
      return view;
    },
    input: async (runId) => (await cached(runId)).input,
    forget,
    started(runId, input) {
      if (!views.has(runId)) views.set(runId, entryOf(runId, input));
    },
  };
}

/** A view in the cache. */
interface Entry {
  view: Promise<CachedView>;
  /** How many jobs it counts for; 0 until it is loaded. */
  jobs: number;
}

/** A view with how far its journal has been read. */
interface CachedView extends RunView {
  cursor?: JournalCursor;
  reading: Promise<void>;
}

/** What the workflow `run` is started with for this input. */
export async function packInput({ jobs, ...input }: RunInput): Promise<PackedRunInput> {
  const deflated = await deflate(JSON.stringify(jobs), { level: 1 });
  return { ...input, packed: deflated.toString("base64"), total: jobs.length };
}

async function inputOf(run: StoredRun): Promise<RunInput> {
  const { input } = hydrateResourceIO(run, observabilityRevivers) as { input: [PackedRunInput] };
  const { packed, total: _, ...rest } = input[0];
  const jobs = await inflate(Buffer.from(packed, "base64"));
  return { ...rest, jobs: JSON.parse(jobs.toString()) as RunInput["jobs"] };
}

/** What an ended run of ours returned. */
export function outputOf(run: StoredRun): RunOutput | undefined {
  if (run.status !== "completed") return undefined;
  // Without the input, which may be large.
  return hydrateResourceIO({ ...run, input: undefined }, observabilityRevivers).output as RunOutput;
}
