import type { CallbackNews } from "../core/callback.ts";
import { hasEnded } from "../core/run-state.ts";
import { runWorkflow } from "../core/run-workflow.ts";
import { toServiceRun } from "../http/service-run.ts";
import type { RunService } from "../types/engine.ts";
import type { WorkflowRuns } from "../types/service.ts";
import { readStored, type World } from "./engine-world.ts";
import { aboutOf } from "./starts.ts";

/** What is told of runs is read from. */
export interface CallbackNewsOptions {
  world: () => World;
  /** Runs of every workflow. */
  runs: Pick<WorkflowRuns, "read">;
  /** Runs of the workflow `run`. */
  regional: Pick<RunService, "results" | "status">;
}

/** Makes what reads the news of a run, by the engine's id. */
export function createCallbackNews({
  world,
  runs,
  regional,
}: CallbackNewsOptions): (runId: string) => Promise<CallbackNews> {
  return async (runId) => {
    const stored = await readStored(world(), runId, { resolveData: "none" });
    const info = stored && (await runs.read(runId));
    if (!info) return "gone";
    if (!hasEnded(info.state)) return "going";
    const run = toServiceRun(info);
    const ours = stored.workflowName === runWorkflow.workflowId;
    const results = ours ? await countsOf(runId, regional) : undefined;
    const { traceparent } = aboutOf(stored);
    return {
      runId,
      body: JSON.stringify({
        type: `run.${run.status}`,
        timestamp: run.completedAt,
        data: { run, ...(results && { results }) },
      }),
      ...(traceparent !== undefined && { traceparent }),
    };
  };
}

/** What came of a run over regions, without its jobs, of which there may be thousands. */
async function countsOf(
  runId: string,
  regional: CallbackNewsOptions["regional"],
): Promise<object | undefined> {
  const results = await regional.results(runId);
  const status = await regional.status(runId);
  if (!results || !status) return undefined;
  const { outcome, summary, regions, durationMs } = results;
  const { totalJobs, completedJobs, failedJobs } = status;
  return { outcome, summary, totalJobs, completedJobs, failedJobs, regions, durationMs };
}
