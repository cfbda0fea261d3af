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
import type { FindRequest, FindRuns } from "./run-lists.ts";
import { aboutOf } from "./starts.ts";

/** Runs that one search looks at, at most; where it stops there, the cursor goes on. */
const MAX_LOOKED_AT = 10_000;
/** How far a World's order, which may be that of the runs' ids, is from that of their creation. */
const DISORDER_MS = 60_000;
/** States of our own runs that are remembered; an ended run's state never changes. */
const MAX_STATES = 10_000;

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

  return async (request) => {
    const { workflowName, state, since = 0, limit } = request;
    const found: { run: StoredRun; state: RunStateName }[] = [];
    let next = request.cursor;
    for (let looked = 0; looked < MAX_LOOKED_AT;) {
      const page = await world().runs.list({
        ...(workflowName !== undefined && { workflowName }),
        ...(state !== undefined && hasStatus(state) && { status: statusOfState[state] }),
        resolveData: "none",
        // No more than are wanted, so that the World's cursor never passes over one.
        pagination: {
          limit: limit - found.length,
          sortOrder: "desc",
          ...(next && { cursor: next }),
        },
      });
      looked += page.data.length;
      next = page.hasMore ? (page.cursor ?? undefined) : undefined;
      for (const run of page.data as StoredRun[]) {
        if (!matches(run, request)) continue;
        const current = await currentState(run);
        if (state === undefined || current === state) found.push({ run, state: current });
      }
      if (page.data.some(({ createdAt }) => createdAt.getTime() < since - DISORDER_MS)) {
        next = undefined;
      }
      if (!next || found.length >= limit) break;
    }
    return { found, ...(next !== undefined && { cursor: next }) };
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
