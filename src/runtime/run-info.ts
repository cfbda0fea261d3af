import { shortfallOf } from "../core/run-state.ts";
import { runWorkflow } from "../core/run-workflow.ts";
import type { Manifest } from "../types/manifest.ts";
import type { RunStateName } from "../types/run.ts";
import type { RunInfo } from "../types/service.ts";
import { stateOfStatus, type StoredRun } from "./engine-world.ts";
import { outputOf } from "./run-views.ts";
import { aboutOf } from "./starts.ts";

/** A run of any workflow, from its whole record, or from one without data and its state. */
export function runInfoOf(
  run: StoredRun,
  nameOf: WorkflowNames["nameOf"],
  state: RunStateName = stateOf(run),
): RunInfo {
  const { runId, tags, mode = "remote", owner, metadata } = aboutOf(run);
  return {
    runId: runId ?? run.runId,
    workflow: nameOf(run.workflowName),
    // Runs of the workflow `run` that an older version started do not say their mode here.
    mode: run.workflowName === runWorkflow.workflowId ? mode : "workflow",
    state,
    ...(owner !== undefined && { owner }),
    ...(metadata && { metadata }),
    ...(tags && { tags }),
    ...failureOf(run),

    createdAt: run.createdAt.toISOString(),
    ...(run.completedAt && { completedAt: run.completedAt.toISOString() }),
  };
}

/** Why a run failed; of one over regions only a record with data can say. */
function failureOf(run: StoredRun): { error?: string } {
  if (run.status === "failed") return { error: run.error?.message ?? "unknown error" };
  const ours = run.workflowName === runWorkflow.workflowId && run.output !== undefined;
  const output = ours ? outputOf(run) : undefined;
  return output && output.state !== "completed" ? { error: shortfallOf(output) } : {};
}

/** A run's state, from its record with data: what our workflow `run` comes to is in its output. */
export function stateOf(run: StoredRun): RunStateName {
  const ours = run.status === "completed" && run.workflowName === runWorkflow.workflowId;
  return ours ? outputOf(run)!.state : stateOfStatus[run.status];
}

/** Names of workflows and the engine's ids of them. */
export interface WorkflowNames {
  /** Undefined where no workflow has the name; the id itself where it is one. */
  idOf(name: string): string | undefined;
  /** The id where no workflow has it. */
  nameOf(id: string): string;
}

/** The names of a manifest's workflows and of ours. */
export function workflowNames({ workflows }: Pick<Manifest, "workflows">): WorkflowNames {
  const all = [runWorkflow, ...workflows];
  const ids = new Map(all.map(({ name, workflowId }) => [name, workflowId]));
  const names = new Map(all.map(({ name, workflowId }) => [workflowId, name]));
  return {
    idOf: (name) => ids.get(name) ?? (name.startsWith("workflow//") ? name : undefined),
    nameOf: (id) => names.get(id) ?? id,
  };
}
