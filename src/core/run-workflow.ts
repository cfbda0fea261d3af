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

/** Ids of workflows of ours that are no run of anybody's: no list has them. */
export const internalWorkflows: ReadonlySet<string> = new Set([
  "workflow//@runners/orchestrator//callback",
]);

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
