export * from "./authors.ts";
export { createOrchestratorHandler } from "./runtime/host.ts";
