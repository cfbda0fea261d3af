import { H3 } from "h3";
import type { RunEngine, RunService } from "../types/engine.ts";
import type { Manifest } from "../types/manifest.ts";
import type { LoadBalancerHandle, ServerRegistryHandle } from "../types/server.ts";
import { errorResponse, HttpProblem } from "./errors.ts";
import { createGuard, type Guard } from "./guard/guard.ts";
import { addDocsRoutes, type DocsRouteOptions } from "./routes/docs.ts";
import { addRoutes } from "./routes/paths.ts";

/** What the API is served from. */
export interface ApiOptions {
  /** Where it is mounted, such as `/api/orchestrator`. */
  route: string;
  engine: RunEngine;
  /** Runs over regions, of the workflow `run`. */
  runs: RunService;
  manifest: () => Promise<Manifest>;
  /** The runners of this process, for the documentation. */
  runners?: DocsRouteOptions["runners"];
  /** What every workflow gets in its options; a caller's own never replaces it. */
  injected: { registry: ServerRegistryHandle; loadBalancer: LoadBalancerHandle };
  /** Who may ask for what, and how often; without it everybody. */
  guard?: Guard;
}

/** h3 answers such a path too, but in a form of its own. */
function assertDecodable({ url }: Request): void {
  try {
    decodeURI(new URL(url).pathname);
  } catch {
    throw new HttpProblem(400, "The path is not valid percent encoding");
  }
}

/** Answers a request; never rejects. */
export type ApiHandler = (request: Request) => Promise<Response>;

/** The HTTP API as a function from request to response. */
export function createApi(options: ApiOptions): ApiHandler {
  const app = new H3({ silent: true });
  addDocsRoutes(app, options);
  addRoutes(app, options);
  const answer: ApiHandler = async (request) => {
    try {
      assertDecodable(request);
      return await app.fetch(request);
    } catch (error) {
      return errorResponse(error);
    }
  };
  const { guard = createGuard(), manifest, route } = options;
  const isWorkflow = async (name: string): Promise<boolean> =>
    (await manifest()).workflows.some((workflow) => workflow.name === name);
  const api = { mounts: [route], isWorkflow, answer };
  return (request) => guard.answer(request, api);
}
