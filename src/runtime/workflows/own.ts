import { callbackWorkflowId, runWorkflow } from "../../core/run-workflow.ts";
import { callback } from "./callback.ts";
import { run } from "./run.ts";

// The engine's builder would write this for workflows of the user's; ours have ids without a version,
// so that runs in flight survive an upgrade of this package.
const registry = "__private_workflows";
const slots = globalThis as { [registry]?: Map<string, unknown> };
const workflows = (slots[registry] ??= new Map());
workflows.set(runWorkflow.workflowId, run);
workflows.set(callbackWorkflowId, callback);
