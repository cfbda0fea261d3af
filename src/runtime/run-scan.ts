import { internalWorkflows, runWorkflow } from "../core/run-workflow.ts";
import type { RunStateName } from "../types/run.ts";
import {
  hasStatus,
  stateOfStatus,
  statusOfState,
  type StoredRun,
  type World,
} from "./engine-world.ts";
import { stateOf } from "./run-info.ts";
import type { FindRequest, FindRuns, FoundRuns } from "./run-lists.ts";
import { aboutOf } from "./starts.ts";

/** Runs that one search looks at, at most; where it stops there, the cursor goes on. */
const MAX_LOOKED_AT = 10_000;
/** Records that are asked for at a time, where few match. */
const PAGE = 100;
/** How far a World's order, which may be that of the runs' ids, is from that of their creation. */
const DISORDER_MS = 60_000;
/** States of our own runs that are remembered; an ended run's state never changes. */
const MAX_STATES = 10_000;

type Found = FoundRuns["found"];

/** Finds runs in any World, by going through those of the workflow and status. */
export function scannedRuns(world: () => World): FindRuns {
  const states = new Map<string, RunStateName>();

  async function currentState(run: StoredRun): Promise<RunStateName> {
    if (run.status !== "completed" || run.workflowName !== runWorkflow.workflowId)
      return stateOfStatus[run.status];
    const known = states.get(run.runId);
    if (known) return known;
    const state = stateOf(await world().runs.get(run.runId));
    if (states.size >= MAX_STATES) states.clear();
    states.set(run.runId, state);
    return state;
  }

  async function matching(runs: readonly StoredRun[], request: FindRequest): Promise<Found> {
    const found: Found = [];
    for (const run of runs) {
      if (!matches(run, request)) continue;
      const state = await currentState(run);
      if (request.state === undefined || request.state === state) found.push({ run, state });
    }
    return found;
  }

  /** The next of the runs, at most as many as are wanted, out of a page of at most so many records. */
  async function turn(
    request: FindRequest,
    cursor: string | undefined,
    { size, wanted }: { size: number; wanted: number },
  ) {
    const { workflowName, state } = request;
    for (let limit = size; ;) {
      const page = await world().runs.list({
        ...(workflowName !== undefined && { workflowName }),
        ...(state !== undefined && hasStatus(state) && { status: statusOfState[state] }),
        resolveData: "none",
        pagination: { limit, sortOrder: "desc", ...(cursor && { cursor }) },
      });
      const runs = page.data as StoredRun[];
      const found = await matching(runs, request);
      if (found.length <= wanted) return { page, runs, found };
      // A World's cursors are its own: the one behind the last that is wanted comes of a page that ends with it.
      limit = runs.indexOf(found[wanted - 1]!.run) + 1;
    }
  }

  return async (request) => {
    const { since = 0, limit } = request;
    const all: Found = [];
    let next = request.cursor;
    let looked = 0;
    do {
      // Where the first page has too few, few of the others match.
      const size = looked === 0 ? limit : Math.max(limit, PAGE);
      const wanted = limit - all.length;
      const { page, runs, found } = await turn(request, next, { size, wanted });
      looked += runs.length;
      all.push(...found);
      const passed = runs.some(({ createdAt }) => createdAt.getTime() < since - DISORDER_MS);
      next = page.hasMore && !passed ? (page.cursor ?? undefined) : undefined;
    } while (next && all.length < limit && looked < MAX_LOOKED_AT);
    return { found: all, ...(next !== undefined && { cursor: next }) };
  };
}

/** Whether a run is one of those asked for, but for its state. */
function matches(run: StoredRun, { tag, owner, since, until }: FindRequest): boolean {
  if (internalWorkflows.has(run.workflowName)) return false;
  const about = aboutOf(run);
  const created = run.createdAt.getTime();
  return (
    (tag === undefined || about.tags?.includes(tag) === true) &&
    (owner === undefined || about.owner === owner) &&
    created >= (since ?? -Infinity) &&
    created < (until ?? Infinity)
  );
}
