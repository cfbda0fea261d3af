import type { Manifest } from "../types/manifest.ts";
import type { RunStateName } from "../types/run.ts";
import type { RunFilter, WorkflowRuns } from "../types/service.ts";
import type { StoredRun } from "./engine-world.ts";
import { runInfoOf, workflowNames } from "./run-info.ts";

/** Lists runs of all workflows. */
export type RunLists = Pick<WorkflowRuns, "list">;

/** Which runs to find: as a filter says, with the engine's id of the workflow. */
export interface FindRequest extends Omit<RunFilter, "workflow"> {
  workflowName?: string;
  limit: number;
}

/** Some runs that were found, and where to go on. */
export interface FoundRuns {
  /** Records without data, and their states. */
  found: { run: StoredRun; state: RunStateName }[];
  cursor?: string;
}

/** Finds runs in a World, the newest first, and none of workflows that are only ours. */
export type FindRuns = (request: FindRequest) => Promise<FoundRuns>;

const DEFAULT_LIMIT = 20;

/** Lists what is found, under the names of the manifest's workflows. */
export function createRunLists(
  find: FindRuns,
  manifest: () => Promise<Pick<Manifest, "workflows">>,
): RunLists {
  return {
    async list({ workflow, limit = DEFAULT_LIMIT, ...filter }) {
      const names = workflowNames(await manifest());
      const workflowName = workflow === undefined ? undefined : names.idOf(workflow);
      if (workflow !== undefined && workflowName === undefined) return { runs: [] };
      const { found, cursor } = await find({
        ...filter,
        limit,
        ...(workflowName !== undefined && { workflowName }),
      });
      return {
        runs: found.map(({ run, state }) => runInfoOf(run, names.nameOf, state)),
        ...(cursor !== undefined && { cursor }),
      };
    },
  };
}
