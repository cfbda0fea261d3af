import type { RunStateName } from "../types/run.ts";
import type { RunInfo, ServiceRun, ServiceStatus } from "../types/service.ts";

const statuses: Record<RunStateName, ServiceStatus> = {
  queued: "pending",
  running: "running",
  completed: "completed",
  failed: "failed",
  timed_out: "failed",
  cancelled: "canceled",
};

/** The service's word for a state. */
export function toServiceStatus(state: RunStateName): ServiceStatus {
  return statuses[state];
}

/** A run in the service's form. */
export function toServiceRun({ runId, ...info }: RunInfo): ServiceRun {
  return { id: runId, ...info, status: toServiceStatus(info.state) };
}
