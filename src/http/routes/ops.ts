import type { H3, H3Event } from "h3";
import type { Manifest } from "../../types/manifest.ts";
import type { Observability, Readiness } from "../../types/observe.ts";
import { errorResponse, HttpProblem } from "../errors.ts";
import { isGet } from "../parameters.ts";

/** What operators are answered from. */
export interface OpsOptions {
  /** Always ready without it. */
  readiness?: () => Readiness;
  observability?: Pick<Observability, "metrics">;
  /** Where workflows have paths beside these: a workflow's name comes before a word of ours. */
  manifest?: () => Promise<Pick<Manifest, "workflows">>;
}

/** What probes and Prometheus ask for: `GET {base}/health`, `/ready` and `/metrics`. */
export function addOpsRoutes(app: H3, base: string, options: OpsOptions): void {
  const { readiness = (): Readiness => ({ ready: true }), observability } = options;
  const add = (word: string, answer: () => Promise<Response> | Response): void => {
    app.use(`${base}/${word}`, async ({ req }: H3Event, next) => {
      if (await isWorkflow(word, options)) return next();
      try {
        if (!isGet(req.method)) {
          throw new HttpProblem(405, "Method not allowed. Use GET.", {}, { allow: "GET, HEAD" });
        }
        return await answer();
      } catch (error) {
        return errorResponse(error);
      }
    });
  };
  add("health", () => fresh({ ok: true, service: "orchestrator" }));
  add("ready", () => {
    const { ready, reason = "not ready" } = readiness();
    return ready ? fresh({ ok: true }) : fresh({ ok: false, reason }, 503);
  });
  if (!observability) return;
  add("metrics", async () => {
    const { contentType, text } = await observability.metrics();
    return new Response(text, { headers: { ...uncached, "content-type": contentType } });
  });
}

const uncached = { "cache-control": "no-store" };

function fresh(body: unknown, status = 200): Response {
  return Response.json(body, { status, headers: uncached });
}

/** Whether a discovered workflow has the word for its name; a manifest that cannot be read has none. */
async function isWorkflow(word: string, { manifest }: OpsOptions): Promise<boolean> {
  if (!manifest) return false;
  const { workflows } = await manifest().catch(() => ({ workflows: [] }));
  return workflows.some(({ name }) => name === word);
}
