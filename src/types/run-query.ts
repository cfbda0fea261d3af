/** Which runs to list; all that is given must hold. */
export interface RunQuery {
  /** Labels that a run must have, all of them. */
  labels?: readonly string[];
  workflowName?: string;
  status?: "cancelled" | "completed" | "failed" | "pending" | "running";
  /** Workflows whose runs are left out. */
  exceptWorkflows?: readonly string[];
  /** Milliseconds since the epoch: created at this time or later. */
  since?: number;
  /** Milliseconds since the epoch: created before this time. */
  until?: number;
  /** 1 to 1000. */
  limit: number;
  /** What the page before answered with. */
  cursor?: string;
}
