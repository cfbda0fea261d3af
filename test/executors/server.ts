import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** One request a test server got. */
export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: any;
}

/** A server on a free port, closed with the test. */
export interface TestServer {
  url: string;
  requests: Received[];
  close: () => Promise<void>;
}

/** Answers a request; `received.body` is the parsed JSON, if it is any. */
export type Answer = (response: ServerResponse, received: Received) => unknown;

export async function serve(answer: Answer): Promise<TestServer> {
  const requests: Received[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += chunk));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      const received = { method, path, headers, body: text ? JSON.parse(text) : undefined };
      requests.push(received);
      void answer(response, received);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  let closed: Promise<void> | undefined;
  const close = () =>
    (closed ??= new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }));
  onTestFinished(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, close };
}

/** A server that speaks raw TCP. */
export async function serveRaw(answer: (socket: Socket) => void): Promise<{ url: string }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        sockets.forEach((socket) => socket.destroy());
      }),
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A URL of this machine that nobody listens on. */
export async function deadUrl(): Promise<string> {
  const server = await serve(() => {});
  await server.close();
  return server.url;
}

export function json(response: ServerResponse, body: unknown, status = 200, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** A reply that passes every runner asked for, after some milliseconds. */
export function pass(afterMs = 0): Answer {
  return async (response, { body }) => {
    if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs));
    const names = body.json.runners.map((runner: any) => runner.name ?? runner);
    json(response, { results: names.map((name: string) => ({ name, status: "pass" })) });
  };
}
