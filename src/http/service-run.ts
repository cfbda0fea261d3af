import type { RunStateName } from "../types/run.ts";
import type { RunInfo } from "../types/service.ts";

/** A state as the run service spells it; it has no word for a time that was up. */
export type ServiceStatus = "canceled" | "completed" | "failed" | "pending" | "running";

/** A run as the run service answers it. */
export interface ServiceRun extends Omit<RunInfo, "runId"> {
  id: string;
  status: ServiceStatus;
}

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
