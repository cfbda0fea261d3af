import { runWorkflow } from "../../core/run-workflow.ts";
import { run } from "./run.ts";

// The engine's builder would write this for a workflow of the user's; ours has an id without a version,
// so that runs in flight survive an upgrade of this package.
const slots = globalThis as { __private_workflows?: Map<string, unknown> };
(slots.__private_workflows ??= new Map()).set(runWorkflow.workflowId, run);
