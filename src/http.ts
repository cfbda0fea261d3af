export { createOrchestratorHandler } from "./runtime/host.ts";
export { type NodeListener, toNodeListener } from "./http/node.ts";
export { OrchestratorError, isOrchestratorError } from "./core/errors.ts";
export type {
  HandlerInput,
  OrchestratorHandler,
  OrchestratorHandlerOptions,
} from "./types/handler.ts";
