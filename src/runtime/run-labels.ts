import { internalWorkflows } from "../core/run-workflow.ts";
import type { RunStateName } from "../types/run.ts";
import type { EmbeddedWorld, LabelledRun, RunLabels } from "../world/index.ts";
import { hasStatus, stateOfStatus, statusOfState, type StoredRun } from "./engine-world.ts";
import { stateOf } from "./run-info.ts";
import type { FindRuns } from "./run-lists.ts";
import { aboutOf } from "./starts.ts";

const prefixes = { tag: "tag:", owner: "owner:", state: "state:" } as const;

/** The labels by which the embedded World and that on Postgres find our runs: tags, owner, and the state that one ended in. */
export const runLabels: RunLabels = {
  version: 1,
  of(run) {
    if (internalWorkflows.has(run.workflowName)) return [];
    const { tags = [], owner } = aboutOf(run);
    const labels = tags.map((tag) => prefixes.tag + tag);
    if (owner !== undefined) labels.push(prefixes.owner + owner);
    const state = endStateOf(run as StoredRun);
    if (!hasStatus(state)) labels.push(prefixes.state + state);
    return labels;
  },
};

/** Finds runs in a World that lists them by these labels. */
export function labelledRuns(world: Pick<EmbeddedWorld, "listRuns">): FindRuns {
  return async ({ state, tag, owner, ...query }) => {
    const labels: string[] = [];
    if (tag !== undefined) labels.push(prefixes.tag + tag);
    if (owner !== undefined) labels.push(prefixes.owner + owner);
    const inStatus = state !== undefined && hasStatus(state);
    if (state !== undefined && !inStatus) labels.push(prefixes.state + state);
    const { runs, cursor } = await world.listRuns({
      ...query,
      labels,
      exceptWorkflows: [...internalWorkflows],
      ...(inStatus && { status: statusOfState[state] }),
    });
    return {
      found: runs.map((found) => ({ run: found.run as StoredRun, state: stateIn(found) })),
      ...(cursor !== undefined && { cursor }),
    };
  };
}

/** A run's state, whose label was made when it ended. */
function stateIn({ run, labels }: LabelledRun): RunStateName {
  const label = labels.find((label) => label.startsWith(prefixes.state));
  if (label === undefined) return stateOfStatus[run.status];
  return label.slice(prefixes.state.length) as RunStateName;
}

function endStateOf(run: StoredRun): RunStateName {
  try {
    return stateOf(run);
  } catch {
    // An output that cannot be read must not keep the run from ending.
    return stateOfStatus[run.status];
  }
}
