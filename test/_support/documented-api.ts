import { serve } from "srvx/node";
import * as z from "zod";
import { createApi, type ApiHandler } from "../../src/http/app.ts";
import { createGuard, type Guard } from "../../src/http/guard/guard.ts";
import type { DescribedRunner } from "../../src/http/openapi.ts";
import { createLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { createTracing } from "../../src/runtime/tracing.ts";
import type { Manifest } from "../../src/types/manifest.ts";
import type { Observability } from "../../src/types/observe.ts";
import type { Readiness } from "../../src/types/service.ts";
import { createMemoryRuns, type MemoryRuns } from "./memory-runs.ts";

/** Workflows of each kind: over jobs, over one job, with an input schema, one that cannot be started. */
export const documentedManifest: Manifest = {
  workflows: [
    workflow("checkAll", { description: "Checks `all` the pages.", accepts: "jobs" }),
    workflow("checkOne", { parameters: ["job"], accepts: "job" }),
    workflow("report", { parameters: ["input", "options"] }),
    { ...workflow("stray"), workflowId: undefined },
  ].map(({ workflowId, ...entry }) => ({ ...entry, ...(workflowId && { workflowId }) })),
  inputs: {
    report: z.object({
      day: z.iso.date().meta({ description: "The <b>day</b> to report." }),
      depth: z.int().default(2),
    }),
  },
};

/** Runners of the process, one of which has an input schema. */
export const documentedRunners: DescribedRunner[] = [
  { name: "checkTitle", schema: z.object({ url: z.url(), title: z.string().optional() }) },
  { name: "checkLinks" },
];

/** The API with all that a document can tell of, on runs in memory. */
export interface DocumentedApi extends MemoryRuns {
  /** `http://127.0.0.1:port{route}`. */
  base: string;
  /** What is served. */
  handler: ApiHandler;
  close(): Promise<void>;
}

/** What differs from one documented API to another. */
export interface DocumentedOptions {
  route?: string;
  /** What a proxy in front strips. */
  prefix?: string;
  guard?: Guard;
  /** Where the run service stands too. */
  service?: string | false;
  readiness?: () => Readiness;
}

/** Serves it on a free loopback port. */
export async function serveDocumentedApi({
  route = "/api/orchestrator",
  prefix = "",
  guard = createGuard(),
  service = false,
  readiness = () => ({ ready: true }),
}: DocumentedOptions = {}): Promise<DocumentedApi> {
  const memory = createMemoryRuns();
  const handler = createApi({
    route,
    service,
    readiness,
    engine: memory.engine,
    runs: memory.runs,
    ...memory.service,
    manifest: async () => documentedManifest,
    runners: documentedRunners,
    injected: {
      registry: { kind: "server-registry", name: "default" },
      loadBalancer: { kind: "load-balancer", name: "default" },
    },
    guard,
    observability: observability(),
  });
  const server = serve({
    port: 0,
    hostname: "127.0.0.1",
    silent: true,
    gracefulShutdown: false,
    fetch: (request) => {
      const { origin } = new URL(request.url);
      if (!request.url.startsWith(origin + prefix)) return new Response(null, { status: 404 });
      const { method, headers, body } = request;
      const address = origin + request.url.slice(origin.length + prefix.length);
      const init = { method, headers, body, duplex: "half" } as RequestInit;
      const { ip } = request as { ip?: string };
      return handler(Object.assign(new Request(address, init), { ip }));
    },
  });
  await server.ready();
  const base = new URL(server.url!).origin + prefix + route;
  return { ...memory, base, handler, close: () => server.close(true) };
}

/** Metrics as they are, and nothing but errors in the log. */
function observability(): Observability {
  const { request, eventStreams, text: metrics } = createMetrics();
  const log = createLog();
  log.level = "error";
  return { log, tracing: createTracing(), request, eventStreams, metrics };
}

function workflow(name: string, rest: Partial<Manifest["workflows"][number]> = {}) {
  return {
    name,
    workflowId: `workflow//./workflows/${name}//${name}` as string | undefined,
    file: `workflows/${name}.ts`,
    line: 1,
    parameters: ["jobs", "options"],
    accepts: "unknown" as const,
    ...rest,
  };
}
