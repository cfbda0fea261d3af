import type { RunMode, RunStateName } from "../types/run.ts";
import type { JsonObject } from "../types/runner.ts";
import type { RunInfo } from "../types/service.ts";

/** A run as the service's routes answer with it. */
export interface ServiceRun {
  /** The caller's own id where there is one, else the engine's. */
  id: string;
  workflow: string;
  mode: RunMode | "workflow";
  /** Its state in the service's words, in which a run that has timed out has failed. */
  status: ServiceRunStatus;
  state: RunStateName;
  owner?: string;
  metadata?: JsonObject;
  tags?: string[];
  /** ISO times. */
  createdAt: string;
  completedAt?: string;
}

/** A run's state in the words of the service's routes. */
export type ServiceRunStatus = "canceled" | "completed" | "failed" | "pending" | "running";

/** The words of the service's routes for each state. */
export const serviceStatusOf: Readonly<Record<RunStateName, ServiceRunStatus>> = {
  queued: "pending",
  running: "running",
  completed: "completed",
  failed: "failed",
  timed_out: "failed",
  cancelled: "canceled",
};

/** A run as the service's routes answer with it. */
export function toServiceRun(info: RunInfo): ServiceRun {
  const { runId, workflow, mode, state, owner, metadata, tags, createdAt, completedAt } = info;
  return {
    id: runId,
    workflow,
    mode,
    status: serviceStatusOf[state],
    state,
    ...(owner !== undefined && { owner }),
    ...(metadata && { metadata }),
    ...(tags && { tags }),
    createdAt,
    ...(completedAt !== undefined && { completedAt }),
  };
}
