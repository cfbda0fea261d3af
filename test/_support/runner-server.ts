import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** An execute request as a runner server saw it. */
export interface Received {
  body: { url?: string; runners: unknown[]; runId?: string; region?: string };
  key: string | undefined;
  attempt: string | undefined;
  /** Of the request; a server below several paths tells its callers apart by it. */
  path: string;
  headers: IncomingHttpHeaders;
}

/** A scripted runner server on loopback that remembers what it was sent. */
export interface FakeRunnerServer {
  /** The base that a registry lists. */
  url: string;
  executes: Received[];
  /** Every request of any kind. */
  requests: string[];
  close(): Promise<void>;
}

/** Starts one; `reply` answers executes, by default with a pass for each runner. */
export async function startRunnerServer(
  reply: (received: Received, response: ServerResponse) => Promise<void> | void = passing,
): Promise<FakeRunnerServer> {
  const executes: Received[] = [];
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (request.url?.endsWith("/info")) return json(response, { runners: ["a"], count: 1 });
    void read(request).then(async (body) => {
      const received = {
        body: (body as { json: Received["body"] }).json,
        key: request.headers["idempotency-key"] as string | undefined,
        attempt: request.headers["x-attempt"] as string | undefined,
        path: request.url!,
        headers: request.headers,
      };
      executes.push(received);
      await reply(received, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/runner`,
    executes,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers that every runner passed. */
export function passing({ body }: Received, response: ServerResponse): void {
  const results = body.runners.map((runner) => ({
    name: typeof runner === "string" ? runner : (runner as { name: string }).name,
    status: "pass",
    durationMs: 1,
  }));
  json(response, { json: { runId: body.runId, region: body.region, results } });
}

function json(response: ServerResponse, body: unknown): void {
  response.setHeader("content-type", "application/json").end(JSON.stringify(body));
}

async function read(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text ? JSON.parse(text) : undefined;
}
