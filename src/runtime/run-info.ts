import { runWorkflow } from "../core/run-workflow.ts";
import type { RunInfo } from "../types/service.ts";
import { stateOfStatus, type StoredRun } from "./engine-world.ts";
import { outputOf } from "./run-views.ts";
import { aboutOf } from "./starts.ts";

/** A run of any workflow, from its whole record. */
export function runInfoOf(run: StoredRun, nameOf: (workflowId: string) => string): RunInfo {
  const { runId, tags, owner, metadata, mode } = aboutOf(run);
  const ours = run.workflowName === runWorkflow.workflowId;
  return {
    runId: runId ?? run.runId,
    workflow: nameOf(run.workflowName),
    mode: ours ? (mode ?? "remote") : "workflow",
    state: run.status === "completed" && ours ? outputOf(run)!.state : stateOfStatus[run.status],
    ...(owner !== undefined && { owner }),
    ...(metadata && { metadata }),
    ...(tags && { tags }),
    ...(run.status === "failed" && { error: run.error?.message ?? "unknown error" }),
    createdAt: run.createdAt.toISOString(),
    ...(run.completedAt && { completedAt: run.completedAt.toISOString() }),
  };
}
