import type { H3, H3Event } from "h3";
import { docsHeaders, docsPage } from "../../docs/page.ts";
import type { Manifest } from "../../types/manifest.ts";
import { HttpProblem, runErrorResponse } from "../errors.ts";
import { jsonResponse } from "../json.ts";
import { orchestratorDocument, type DescribedRunner } from "../openapi.ts";
import { isGet } from "../parameters.ts";

/** What the documentation is served from. */
export interface DocsRouteOptions {
  /** Where the API is mounted, such as `/api/orchestrator`. */
  route: string;
  manifest: () => Promise<Manifest>;
  /** The runners of this process, where it executes any. */
  runners?: readonly DescribedRunner[];
}

/** The OpenAPI document and its page: `GET {route}/spec.json` and `GET {route}/docs`. */
export function addDocsRoutes(app: H3, options: DocsRouteOptions): void {
  const { route } = options;
  app.all(`${route}/spec.json`, answeringGet(specification(options)));
  app.all(
    `${route}/docs`,
    answeringGet(() => docsAnswer(route)),
  );
}

/** The document's text, written anew when the manifest is another. */
function specification({
  route,
  manifest,
  runners = [],
}: DocsRouteOptions): () => Promise<Response> {
  let made: { from: Manifest; document: Promise<Record<string, unknown>> } | undefined;
  return async () => {
    const current = await manifest();
    if (made?.from !== current) {
      const document = orchestratorDocument({ route, manifest: current, runners, serverUrl: "/" });
      made = { from: current, document };
    }
    return jsonResponse(await made.document);
  };
}

/** The page of the API that is mounted there. */
export function docsAnswer(
  mount: string,
  { status = 200, headers }: { status?: number; headers?: Record<string, string> } = {},
): Response {
  const nonce = crypto.randomUUID();
  const title = "Runners Orchestrator API";
  const html = docsPage({ nonce, title, mount, featured: "submitRun" });
  return new Response(html, { status, headers: { ...docsHeaders(nonce), ...headers } });
}

/** Answers `GET`, and `HEAD`, from whose answers h3 takes the body. */
function answeringGet(answer: () => Promise<Response> | Response) {
  return async ({ req }: H3Event): Promise<Response> => {
    try {
      if (!isGet(req.method)) {
        throw new HttpProblem(405, "Method not allowed. Use GET.", {}, { allow: "GET, HEAD" });
      }
      return await answer();
    } catch (error) {
      return runErrorResponse(error);
    }
  };
}
