import { runWorkflow } from "../core/run-workflow.ts";
import type { RunFilter, RunInfo, RunPage } from "../types/service.ts";
import type { Manifest } from "../types/manifest.ts";
import type { RunStateName } from "../types/run.ts";
import type { StoredRun, World } from "./engine-world.ts";
import { outputOf } from "./run-views.ts";
import { aboutOf } from "./starts.ts";

/** Lists runs of all workflows. */
export interface RunLists {
  list: (filter: RunFilter) => Promise<RunPage>;
}

/** Runs that one list looks at, at most; where it stops there, the cursor goes on. */
const MAX_LOOKED_AT = 10_000;
const DEFAULT_LIMIT = 20;

/** The state of our own runs that have ended; an ended run's state never changes. */
const MAX_STATES = 10_000;

/** The engine's statuses a run of this state may have. */
const statuses = {
  queued: "pending",
  running: "running",
  cancelled: "cancelled",
} as const;

/** Lists from a World's records, newest first. */
export function createRunLists(
  world: () => World,
  manifest: () => Promise<Pick<Manifest, "workflows">>,
): RunLists {
  const states = new Map<string, RunStateName>();

  async function stateOf(run: StoredRun): Promise<RunStateName> {
    if (run.status === "pending") return "queued";
    if (run.status !== "completed" || run.workflowName !== runWorkflow.workflowId)
      return run.status;
    const known = states.get(run.runId);
    if (known) return known;
    const state = outputOf(await world().runs.get(run.runId))!.state;
    if (states.size >= MAX_STATES) states.clear();
    states.set(run.runId, state);
    return state;
  }

  return {
    async list({ workflow, state, tag, limit = DEFAULT_LIMIT, cursor }) {
      const names = workflowNames(await manifest());
      const workflowName = workflow === undefined ? undefined : names.idOf(workflow);
      if (workflow !== undefined && workflowName === undefined) return { runs: [] };
      const runs: RunInfo[] = [];
      let next = cursor;
      for (let looked = 0; looked < MAX_LOOKED_AT;) {
        const page = await world().runs.list({
          ...(workflowName !== undefined && { workflowName }),
          ...engineStatus(state),
          resolveData: "none",
          // No more than are wanted, so that the World's cursor never passes over one.
          pagination: {
            limit: limit - runs.length,
            sortOrder: "desc",
            ...(next && { cursor: next }),
          },
        });
        looked += page.data.length;
        next = page.hasMore ? (page.cursor ?? undefined) : undefined;
        for (const run of page.data as StoredRun[]) {
          if (tag !== undefined && !aboutOf(run).tags?.includes(tag)) continue;
          const current = await stateOf(run);
          if (state === undefined || current === state)
            runs.push(entryOf(run, current, names.nameOf));
        }
        if (!next || runs.length >= limit) break;
      }
      return { runs, ...(next && { cursor: next }) };
    },
  };
}

/** A filter the World has an index for, where a state is one of its own. */
function engineStatus(state: RunFilter["state"]): {
  status?: (typeof statuses)[keyof typeof statuses];
} {
  if (state === undefined || !(state in statuses)) return {};
  return { status: statuses[state as keyof typeof statuses] };
}

function entryOf(run: StoredRun, state: RunStateName, nameOf: (id: string) => string): RunInfo {
  const { runId, tags, mode = "remote" } = aboutOf(run);
  return {
    runId: runId ?? run.runId,
    workflow: nameOf(run.workflowName),
    mode,
    state,
    ...(tags && { tags }),
    createdAt: run.createdAt.toISOString(),
    ...(run.completedAt && { completedAt: run.completedAt.toISOString() }),
  };
}

/** Names of workflows and the engine's ids of them. */
export function workflowNames({ workflows }: Pick<Manifest, "workflows">): {
  idOf: (name: string) => string | undefined;
  nameOf: (id: string) => string;
} {
  const all = [runWorkflow, ...workflows];
  const ids = new Map(all.map(({ name, workflowId }) => [name, workflowId]));
  const names = new Map(all.map(({ name, workflowId }) => [workflowId, name]));
  return { idOf: (name) => ids.get(name), nameOf: (id) => names.get(id) ?? id };
}
