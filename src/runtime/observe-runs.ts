import { internalWorkflows, runWorkflow } from "../core/run-workflow.ts";
import type { Manifest } from "../types/manifest.ts";
import type { Log } from "../types/observe.ts";
import { readStored, type World } from "./engine-world.ts";
import { otherLabel } from "./labels.ts";
import type { Metrics } from "./metrics.ts";
import { stateOf, workflowNames } from "./run-info.ts";
import { aboutOf } from "./starts.ts";

/** What runs are watched with. */
export interface ObserveRunsOptions {
  world: () => World;
  manifest: () => Promise<Pick<Manifest, "workflows">>;
  metrics: Metrics;
  log: Log;
}

/** Told of runs by the World that stores them. */
export interface RunObserver {
  started(workflowId: string): void;
  ended(runId: string): void;
  /** Resolves when all ends so far are told; those that come later are not, since the World is to close. */
  close(): Promise<void>;
}

/** Runs whose end was told last, since a World may tell of an end more than once. */
const REMEMBERED = 1000;

/** Watches runs of every workflow, whoever has started them. */
export function observeRuns({ world, manifest, metrics, log }: ObserveRunsOptions): RunObserver {
  const told = new Set<string>();
  const telling = new Set<Promise<void>>();
  let closed = false;

  async function nameOf(workflowId: string): Promise<string> {
    const name = workflowNames(await manifest()).nameOf(workflowId);
    return name === workflowId ? otherLabel : name;
  }

  async function tellEnd(runId: string): Promise<void> {
    const run = await readStored(world(), runId, { resolveData: "none" });
    if (!run || internalWorkflows.has(run.workflowName)) return;
    const ours = run.workflowName === runWorkflow.workflowId;
    // What a run over regions comes to is in its output; that of others may be large.
    const state = stateOf((ours && (await readStored(world(), runId))) || run);
    const workflow = await nameOf(run.workflowName);
    metrics.runEnded(workflow, state);
    const { createdAt, completedAt = new Date() } = run;
    log.info(
      {
        run_id: aboutOf(run).runId ?? runId,
        workflow,
        state,
        duration_ms: completedAt.getTime() - createdAt.getTime(),
      },
      "run ended",
    );
  }

  return {
    started(workflowId) {
      if (internalWorkflows.has(workflowId)) return;
      nameOf(workflowId).then(metrics.runStarted, () => metrics.runStarted(otherLabel));
    },
    ended(runId) {
      if (closed || told.has(runId)) return;
      told.add(runId);
      if (told.size > REMEMBERED) told.delete(told.values().next().value!);
      const end = tellEnd(runId)
        .catch((error: unknown) =>
          log.warn({ run_id: runId, err: error }, "a run's end could not be counted"),
        )
        .finally(() => telling.delete(end));
      telling.add(end);
    },
    async close() {
      closed = true;
      await Promise.all(telling);
    },
  };
}
