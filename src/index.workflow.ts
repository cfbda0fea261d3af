export * from "./authors.ts";
export { createOrchestratorHandler } from "./runtime/workflows/no-handler.ts";
