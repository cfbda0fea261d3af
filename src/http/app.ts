import { H3 } from "h3";
import type { RunEngine, RunService } from "../types/engine.ts";
import type { Manifest } from "../types/manifest.ts";
import type { LoadBalancerHandle, ServerRegistryHandle } from "../types/server.ts";
import type { Observability } from "../types/observe.ts";
import type { RunMode } from "../types/run.ts";
import type { Callbacks, Readiness, WorkflowRuns } from "../types/service.ts";
import { errorResponse, failureOf, HttpProblem } from "./errors.ts";
import type { EventStreamOptions } from "./events.ts";
import type { Guard } from "./guard/guard.ts";
import { observed } from "./observe.ts";
import { scopeOf } from "./request-scope.ts";
import { addDocsRoutes, type DocsRouteOptions } from "./routes/docs.ts";
import { addOpsRoutes } from "./routes/ops.ts";
import { addRoutes } from "./routes/paths.ts";

/** What the API is served from. */
export interface ApiOptions {
  /** Where it is mounted, such as `/api/orchestrator`. */
  route: string;
  /** The path below which the run service stands too, beside `route`; `""` for the root. */
  service: string | false;
  readiness: () => Readiness;
  engine: RunEngine;
  /** Runs over regions, of the workflow `run`. */
  runs: RunService;
  /** Modes whose executor is there. */
  modes: ReadonlySet<RunMode>;
  /** Runs of every workflow. */
  workflowRuns: WorkflowRuns;
  /** Tells of runs' ends. */
  callbacks: Callbacks;
  /** What event streams need beside the runs. */
  streams: Omit<EventStreamOptions, "runs">;
  manifest: () => Promise<Manifest>;
  /** The runners of this process, for the documentation. */
  runners?: DocsRouteOptions["runners"];
  /** What every workflow gets in its options; a caller's own never replaces it. */
  injected: { registry: ServerRegistryHandle; loadBalancer: LoadBalancerHandle };
  /** Who may ask for what, and how often. */
  guard: Guard;
  /** Whom requests are told to. Without it only what nobody foresaw is, on stderr. */
  observability?: Observability;
}

/** Answers a request; never rejects. */
export type ApiHandler = (request: Request) => Promise<Response>;

/** The HTTP API as a function from request to response. */
export function createApi(options: ApiOptions): ApiHandler {
  const app = new H3({ silent: true });
  noteFailures(app);
  addOpsRoutes(app, options);
  addDocsRoutes(app, options);
  addRoutes(app, options);
  // What is below no mount.
  app.all("/**", () => errorResponse(new HttpProblem(404, "Not found")));
  const answer: ApiHandler = async (request) => app.fetch(request);
  const { guard, manifest, route, service } = options;
  const isWorkflow = async (name: string): Promise<boolean> =>
    (await manifest()).workflows.some((workflow) => workflow.name === name);
  const guarded: ApiHandler = (request) =>
    guard.answer(request, { route, service, isWorkflow, answer });
  return observed(guarded, options, options.observability);
}

/** Keeps what nobody foresaw for the log: of an answer to `HEAD` h3 makes another response, without a body. */
function noteFailures(app: H3): void {
  app.use(({ req }, next) => {
    if (req.method !== "HEAD") return next();
    return Promise.resolve(next()).then((response) => {
      const failure = failureOf(response);
      const scope = failure && scopeOf(req);
      if (scope) scope.failure = failure;
      return response;
    });
  });
}
