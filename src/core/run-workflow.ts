import type { WorkflowEntry } from "../types/manifest.ts";

/** The workflow of ours that runs runners over regions, served beside the app's own in every app. */
export const runWorkflow: WorkflowEntry & { workflowId: string } = {
  name: "run",
  workflowId: "workflow//@runners/orchestrator//run",
  file: "@runners/orchestrator",
  line: 1,
  description: "Executes runners over regions and brings their results together.",
  parameters: ["input"],
  accepts: "unknown",
};

/** The workflow of ours that tells a run's callback of its end. */
export const callbackWorkflowId: string = "workflow//@runners/orchestrator//callback";

/** Workflows of ours whose runs are nobody's but ours: they are not listed, and not found. */
export const internalWorkflows: ReadonlySet<string> = new Set([callbackWorkflowId]);

/** Words that stand in the place of a run's id in our paths, now or by design. */
export const reservedRunIds: ReadonlySet<string> = new Set([
  ".",
  "..",
  "docs",
  "events",
  "health",
  "metrics",
  "orchestrator",
  "plan",
  "ready",
  "run",
  "runs",
  "servers",
  "spec.json",
  "status",
  "workers",
]);
