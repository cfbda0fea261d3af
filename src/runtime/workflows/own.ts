import { runWorkflow } from "../../core/run-workflow.ts";
import { run } from "./run.ts";

// The engine's builder would write this for a workflow of the user's; ours has an id without a version,
// so that runs in flight survive an upgrade of this package.
const registry = "__private_workflows";
const slots = globalThis as { [registry]?: Map<string, unknown> };
(slots[registry] ??= new Map()).set(runWorkflow.workflowId, run);
