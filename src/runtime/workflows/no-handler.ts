import { OrchestratorError } from "../../core/errors.ts";

/** Stands for `createOrchestratorHandler` in the context of workflows, where there is no HTTP. */
export function createOrchestratorHandler(): never {
  throw new OrchestratorError(
    "CONFIG_INVALID",
    "createOrchestratorHandler was called in a workflow: call it where requests are served",
  );
}
