import { H3 } from "h3";
import type { Readiness } from "../../types/service.ts";

/** What the routes for operators are served from. */
export interface OpsRouteOptions {
  /** Where the API is mounted. */
  route: string;
  /** The path below which they are too. */
  service: string | false;
  readiness: () => Readiness;
}

/** `/health`, which says that the process lives, and `/ready`, which says whether it takes up runs. */
export function addOpsRoutes(app: H3, { route, service, readiness }: OpsRouteOptions): void {
  for (const base of bases({ route, service })) {
    app.get(`${base}/health`, () => ({ ok: true, service: "orchestrator" }));
    app.get(`${base}/ready`, () => {
      const { ready, reason } = readiness();
      if (ready) return { ok: true };
      return Response.json({ ok: false, error: reason }, { status: 503 });
    });
  }
}

/** Whether a request is for operators, who are answered at once. */
export function isForOperators(
  { method, url }: Pick<Request, "method" | "url">,
  mount: Pick<OpsRouteOptions, "route" | "service">,
): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  const { pathname } = new URL(url);
  return bases(mount).some((base) => [`${base}/health`, `${base}/ready`].includes(pathname));
}

function bases({ route, service }: Pick<OpsRouteOptions, "route" | "service">): string[] {
  return service !== false && service !== route ? [route, service] : [route];
}
