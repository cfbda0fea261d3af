import { promisify } from "node:util";
import { deflateRaw, inflateRaw } from "node:zlib";
import { hydrateResourceIO, observabilityRevivers } from "workflow/observability";
import { createRunFold, type RunFold } from "../core/run-state.ts";
import type { PackedRunInput, RunInput, RunOutput } from "../types/run.ts";
import type { World } from "./engine-world.ts";
import type { JournalCursor, Journals } from "./journal.ts";

/** A run's record as the World keeps it. */
export type StoredRun = Awaited<ReturnType<World["runs"]["get"]>>;

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
  /** Spares the first look the reading of what a run is known to have been started with. */
  started(runId: string, input: RunInput): void;
}

/** Jobs of all views together; the view that was looked at longest ago goes first. */
const MAX_JOBS = 50_000;

const deflate = promisify<string, object, Buffer>(deflateRaw);
const inflate = promisify<Buffer, Buffer>(inflateRaw);

/** Makes views over a World and its journals. */
export function createRunViews(world: () => World, journals: Journals): RunViews {
  const views = new Map<string, Promise<CachedView>>();
  let jobs = 0;

  async function load(runId: string, known?: RunInput): Promise<CachedView> {
    const input = known ?? (await inputOf(await world().runs.get(runId)));
    const view = { input, fold: createRunFold(input.jobs), reading: Promise.resolve() };
    jobs += input.jobs.length;
    for (const [oldest, cached] of views) {
      if (jobs <= MAX_JOBS || oldest === runId) break;
      views.delete(oldest);
      jobs -= (await cached.catch(() => undefined))?.input.jobs.length ?? 0;
    }
    return view;
  }

  async function cached(runId: string): Promise<CachedView> {
    const view = views.get(runId) ?? load(runId);
    // Put at the end, which is the place of the newest.
    views.delete(runId);
    views.set(runId, view);
    try {
      return await view;
    } catch (error) {
      if (views.get(runId) === view) views.delete(runId);
      throw error;
    }
  }

  async function read(runId: string, view: CachedView): Promise<void> {
    const page = await journals.read(runId, view.cursor);
    view.cursor = page.cursor;
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
    started(runId, input) {
      if (!views.has(runId)) views.set(runId, load(runId, input));
    },
  };
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
  return hydrateResourceIO(run, observabilityRevivers).output as RunOutput;
}
