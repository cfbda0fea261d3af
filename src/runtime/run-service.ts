import { hasEnded } from "../core/run-state.ts";
import { runResults, runStatus, type RunFacts } from "../core/run-results.ts";
import { runWorkflow } from "../core/run-workflow.ts";
import { splitIntoShards } from "../core/shards.ts";
import type { Preview } from "../core/preview.ts";
import type { RunEngine, RunService } from "../types/engine.ts";
import type { PlannedJob, PlanStep, RunInput, RunMode } from "../types/run.ts";
import { readStored, type StoredRun, type World } from "./engine-world.ts";
import { isRunId } from "./engine.ts";
import { stateOf } from "./run-info.ts";
import { packInput, type RunView, type RunViews } from "./run-views.ts";
import { aboutOf, type Starts } from "./starts.ts";

/** What runs over regions are served from. */
export interface RunServiceOptions {
  world: () => World;
  engine: Pick<RunEngine, "start">;
  starts: Pick<Starts, "find">;
  views: RunViews;
  /** Where jobs would go now. */
  preview: (mode: RunMode, jobs: readonly PlannedJob[]) => Promise<Preview[]>;
}

/** Runs over regions, from the engine's records and the runs' journals: nothing is known only here. */
export function createRunService(options: RunServiceOptions): RunService {
  const { world, engine, starts, views } = options;

  /** The engine's id of a run that a caller knows by this or by one of its own. */
  async function resolve(id: string): Promise<string | undefined> {
    return isRunId(id) ? id : starts.find(id);
  }

  async function find(id: string): Promise<StoredRun | undefined> {
    const runId = await resolve(id);
    const run = runId === undefined ? undefined : await readStored(world(), runId);
    return run?.workflowName === runWorkflow.workflowId ? run : undefined;
  }

  /** A run as it is: first its record, then its journal, which is complete once the record says that it ended. */
  async function look(id: string): Promise<{ view: RunView; facts: RunFacts } | undefined> {
    const run = await find(id);
    if (!run) return undefined;
    let view = await views.current(run.runId);
    const facts = factsOf(run);
    const { state, completedAt = Date.now(), error } = facts;
    if (run.status === "completed" && hasUnended(view)) {
      // Of two processes that write a journal, one's entry may be stored before what was read of the other's.
      views.forget(run.runId);
      view = await views.current(run.runId);
    }
    if (!hasUnended(view)) return { view, facts };
    // What the run's end cut off, or its journal could not take, has no end of its own there.
    if (state === "cancelled") view.fold.end("cancelled", completedAt, "The run was cancelled");
    else if (hasEnded(state)) view.fold.end("failed", completedAt, error);
    return { view, facts };
  }

  return {
    async submit(input, { idempotencyKey, fingerprint, ...about }) {
      const { runId } = about;
      const full = { ...input, ...(runId !== undefined && { runId }) };
      const outcome = await engine.start({
        workflowId: runWorkflow.workflowId,
        args: [await packInput(full)],
        about: { ...about, mode: input.mode },
        ...(runId !== undefined && { ownId: { id: runId, fingerprint } }),
        ...(idempotencyKey !== undefined && { idempotency: { key: idempotencyKey, fingerprint } }),
      });
      if (outcome.kind === "conflict") return outcome;
      if (outcome.kind === "started") views.started(outcome.runId, full);
      return { ...outcome, runId: runId ?? outcome.runId };
    },
    async status(id) {
      const found = await look(id);
      return found && runStatus(found.view.fold, found.facts);
    },
    async results(id) {
      const found = await look(id);
      return found && runResults(found.view.fold, found.facts, Date.now());
    },
    async input(id) {
      const run = await find(id);
      return run && views.input(run.runId);
    },
    async plan(input) {
      const { jobs, mode, concurrency } = input;
      const shards = splitIntoShards(jobs, concurrency);
      return {
        mode: "plan",
        plan: {
          mode,
          totalJobs: jobs.length,
          shards: shards.length,
          ...(concurrency !== undefined && { concurrency }),
          steps: planSteps(shards, await options.preview(mode, jobs)),
        },
      };
    },
    engineId: async (id) => (await find(id))?.runId,
  };
}

/** Whether a job has no end in the journal, as far as it is read. */
function hasUnended({ fold: { counts } }: RunView): boolean {
  return counts.completed + counts.failed + counts.cancelled < counts.total;
}

function planSteps(
  shards: readonly { jobs: RunInput["jobs"] }[],
  previews: readonly Preview[],
): PlanStep[] {
  let index = 0;
  return shards.flatMap(({ jobs }, shard) =>
    jobs.map(({ id, url, region, runners }) => ({
      jobId: id,
      url,
      ...(region !== undefined && { region }),
      runners: runners.map(({ name }) => name),
      shard,
      ...previews[index++]!,
    })),
  );
}

/** What a run's record says of it. */
function factsOf(run: StoredRun): RunFacts {
  const { runId, tags } = aboutOf(run);
  return {
    runId: runId ?? run.runId,
    state: stateOf(run),
    createdAt: run.createdAt.getTime(),
    ...(run.completedAt && { completedAt: run.completedAt.getTime() }),
    ...(tags && { tags }),
    ...(run.status === "failed" && { error: run.error?.message ?? "unknown error" }),
  };
}
