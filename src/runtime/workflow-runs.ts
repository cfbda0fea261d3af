import { randomUUID } from "node:crypto";
import { hasEnded } from "../core/run-state.ts";
import { internalWorkflows, runWorkflow } from "../core/run-workflow.ts";
import type { RunService } from "../types/engine.ts";
import type { Manifest } from "../types/manifest.ts";
import type { RunStateName } from "../types/run.ts";
import type { RunInfo, WorkflowRuns } from "../types/service.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { readStored, type StoredRun, type World } from "./engine-world.ts";
import { isRunId } from "./engine.ts";
import type { Journals } from "./journal.ts";
import { followRun } from "./run-follow.ts";
import { runInfoOf, workflowNames } from "./run-info.ts";
import type { RunLists } from "./run-lists.ts";
import type { RunWatchers } from "./run-watchers.ts";
import type { Starts } from "./starts.ts";

/** What runs of every workflow are served from. */
export interface WorkflowRunsOptions {
  world: () => World;
  starts: Pick<Starts, "find">;
  lists: RunLists;
  manifest: () => Promise<Pick<Manifest, "workflows">>;
  journals: Journals;
  /** Told of a run's start and end, and of what is new in its journal. */
  news: RunWatchers;
  checkpoints: Pick<Checkpoints, "all" | "store" | "wake">;
  /** Runs of the workflow `run`. */
  regional: Pick<RunService, "results">;
  /** Whether no other process writes to the World. */
  exclusive: boolean;
}

/** Milliseconds after which a followed run is looked at without news: where others may write, and where none can. */
const REREAD = { shared: 1000, exclusive: 15_000 };

/** Runs of every workflow, from the World's records and the runs' journals. */
export function createWorkflowRuns(options: WorkflowRunsOptions): WorkflowRuns {
  const { world, starts, lists, journals, news, checkpoints, regional } = options;

  /** The engine's id of a run that a caller knows by this or by one of its own. */
  async function resolve(id: string): Promise<string | undefined> {
    return isRunId(id) ? id : starts.find(id);
  }

  async function find(id: string): Promise<StoredRun | undefined> {
    const runId = await resolve(id);
    const run = runId === undefined ? undefined : await readStored(world(), runId);
    return run && !internalWorkflows.has(run.workflowName) ? run : undefined;
  }

  async function infoOf(run: StoredRun): Promise<RunInfo> {
    return runInfoOf(run, workflowNames(await options.manifest()).nameOf);
  }

  /** A run's state, for which most records need no data. */
  async function stateOf(runId: string): Promise<RunStateName | undefined> {
    const bare = await readStored(world(), runId, { resolveData: "none" });
    if (bare?.status !== "completed") return bare && (await infoOf(bare)).state;
    const run = await readStored(world(), runId);
    return run && (await infoOf(run)).state;
  }

  return {
    async read(id) {
      const run = await find(id);
      return run && infoOf(run);
    },
    list: lists.list,
    async cancel(id) {
      const run = await find(id);
      if (!run) return undefined;
      const state = await cancelStored(world(), run, stateOf);
      return state === "cancelled" ? { kind: "cancelled" } : { kind: "ended", state };
    },
    async addCheckpoint(id, { type, data }) {
      const run = await find(id);
      if (!run) return undefined;
      const { runId } = run;
      const info = await infoOf(run);
      if (hasEnded(info.state)) return { kind: "ended", state: info.state };
      const checkpointId = randomUUID();
      await checkpoints.store(runId, { id: checkpointId, type, data });
      // A journal takes no more at its run's end: what came at that moment may be in it or not, and no
      // follower waits for it any more. Before anybody is woken, who may end the run for this checkpoint.
      const state = await stateOf(runId);
      if (state === undefined || hasEnded(state)) {
        return { kind: "ended", state: state ?? "failed" };
      }
      await checkpoints.wake(runId, type);
      return { kind: "added", checkpointId };
    },
    async checkpoints(id) {
      const run = await find(id);
      return run && checkpoints.all(run.runId, id);
    },
    async follow(id, request) {
      const run = await find(id);
      if (!run) return undefined;
      const ours = run.workflowName === runWorkflow.workflowId;
      const jobsOf = async (runId: string) =>
        ours ? ((await regional.results(runId))?.jobs ?? []) : [];
      const reread = options.exclusive ? REREAD.exclusive : REREAD.shared;
      return followRun(
        { journals, news, stateOf, jobsOf, reread },
        { runId: run.runId, id },
        request,
      );
    },
  };
}

/** Cancels a run that has not ended, and answers with the state it is in then. */
async function cancelStored(
  world: World,
  { runId, specVersion }: StoredRun,
  stateOf: (runId: string) => Promise<RunStateName | undefined>,
): Promise<RunStateName> {
  const before = await stateOf(runId);
  if (before !== undefined && hasEnded(before)) return before;
  try {
    await world.events.create(runId, {
      eventType: "run_cancelled",
      ...(specVersion !== undefined && { specVersion }),
    });
    return "cancelled";
  } catch (error) {
    // It may have ended at this moment.
    const state = await stateOf(runId);
    if (state === undefined || !hasEnded(state)) throw error;
    return state;
  }
}
