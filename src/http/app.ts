import { H3 } from "h3";
import type { RunEngine } from "../types/engine.ts";
import type { Manifest } from "../types/manifest.ts";
import type { LoadBalancerHandle, ServerRegistryHandle } from "../types/server.ts";
import { errorResponse } from "./errors.ts";
import { addWorkflowRoutes } from "./routes/workflows.ts";

/** What the API is served from. */
export interface OrchestratorHandlerOptions {
  /** Where it is mounted, such as `/api/orchestrator`. */
  route: string;
  engine: RunEngine;
  manifest: () => Promise<Manifest>;
  /** What every workflow gets in its options; a caller's own never replaces it. */
  injected: { registry: ServerRegistryHandle; loadBalancer: LoadBalancerHandle };
}

/** Answers a request; never rejects. */
export type OrchestratorHandler = (request: Request) => Promise<Response>;

/** The HTTP API as a function from request to response. */
export function createOrchestratorHandler(
  options: OrchestratorHandlerOptions,
): OrchestratorHandler {
  const app = new H3({ silent: true });
  addWorkflowRoutes(app, options);
  return async (request) => {
    try {
      return await app.fetch(request);
    } catch (error) {
      return errorResponse(error);
    }
  };
}
