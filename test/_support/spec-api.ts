import { type DocumentedApi, serveDocumentedApi } from "./documented-api.ts";

/** The documented API, and what it says of itself. */
export interface SpecApi extends DocumentedApi {
  route: string;
  document: any;
  /** Sends to a path below the route. */
  ask(
    path: string,
    init?: RequestInit & { headers?: Record<string, string> },
  ): Promise<{ status: number; body: any; headers: Headers }>;
  post(path: string, body: unknown): ReturnType<SpecApi["ask"]>;
  /** The examples of an operation's response. */
  examplesOf(path: string, method: string, status: number): Record<string, { value: any }>;
}

/** Serves the documented API and reads its document. */
export async function serveSpecApi(): Promise<SpecApi> {
  const route = "/api/orchestrator";
  const api = await serveDocumentedApi({ route });
  const document: any = await (await fetch(`${api.base}/spec.json`)).json();
  const ask: SpecApi["ask"] = async (path, init = {}) => {
    const headers = { ...(init.body && { "content-type": "application/json" }), ...init.headers };
    const response = await fetch(api.base + path, { ...init, headers });
    return { status: response.status, body: await response.json(), headers: response.headers };
  };
  return {
    ...api,
    route,
    document,
    ask,
    post: (path, body) => ask(path, { method: "POST", body: JSON.stringify(body) }),
    examplesOf(path, method, status) {
      const given = document.paths[route + path][method].responses[status];
      const name = given.$ref?.split("/").pop();
      const response = name ? document.components.responses[name] : given;
      return response.content["application/json"].examples;
    },
  };
}
