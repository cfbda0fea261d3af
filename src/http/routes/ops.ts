import type { H3, H3Event } from "h3";
import type { Manifest } from "../../types/manifest.ts";
import type { Observability } from "../../types/observe.ts";
import type { Readiness } from "../../types/service.ts";
import { errorResponse, HttpProblem } from "../errors.ts";
import { isGet } from "../parameters.ts";

/** What the routes for operators are served from. */
export interface OpsRouteOptions {
  /** Where the API is mounted. */
  route: string;
  /** The path below which they are too. */
  service: string | false;
  readiness: () => Readiness;
  observability?: Pick<Observability, "metrics">;
  /** Workflows, whose names come before words of ours where the API is mounted. */
  manifest?: () => Promise<Pick<Manifest, "workflows">>;
}

/**
 * `/health`, which says that the process lives, `/ready`, which says whether it takes up runs, and
 * `/metrics`, for Prometheus.
 */
export function addOpsRoutes(app: H3, options: OpsRouteOptions): void {
  const { route, readiness, observability } = options;
  const add = (word: string, answer: () => Promise<Response> | Response): void => {
    for (const base of bases(options)) {
      app.use(`${base}/${word}`, async ({ req }: H3Event, next) => {
        if (base === route && (await isWorkflow(word, options))) return next();
        try {
          if (isGet(req.method)) return await answer();
          throw new HttpProblem(405, "Method not allowed. Use GET.", {}, { allow: "GET, HEAD" });
        } catch (error) {
          return errorResponse(error);
        }
      });
    }
  };
  add("health", () => fresh({ ok: true, service: "orchestrator" }));
  add("ready", () => {
    const { ready, reason } = readiness();
    return ready ? fresh({ ok: true }) : fresh({ ok: false, error: reason }, 503);
  });
  if (!observability) return;
  add("metrics", async () => {
    const { contentType, text } = await observability.metrics();
    return new Response(text, { headers: { ...uncached, "content-type": contentType } });
  });
}

/** Whether a request is for operators, who are answered at once. */
export function isForOperators(
  { method, url }: Pick<Request, "method" | "url">,
  mount: Pick<OpsRouteOptions, "route" | "service">,
): boolean {
  if (!isGet(method) || !URL.canParse(url)) return false;
  const { pathname } = new URL(url);
  return bases(mount).some((base) => [`${base}/health`, `${base}/ready`].includes(pathname));
}

const uncached = { "cache-control": "no-store" };

function fresh(body: unknown, status = 200): Response {
  return Response.json(body, { status, headers: uncached });
}

/** Whether a discovered workflow has the word for its name; a manifest that cannot be read has none. */
async function isWorkflow(
  word: string,
  { manifest }: Pick<OpsRouteOptions, "manifest">,
): Promise<boolean> {
  if (!manifest) return false;
  const { workflows } = await manifest().catch(() => ({ workflows: [] }));
  return workflows.some(({ name }) => name === word);
}

function bases({ route, service }: Pick<OpsRouteOptions, "route" | "service">): string[] {
  return service !== false && service !== route ? [route, service] : [route];
}
