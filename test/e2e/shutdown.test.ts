import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, inject, test } from "vitest";
import { send } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A site that answers when the test says so, and a promise for its first request. */
async function startSite() {
  let requested!: (response: ServerResponse) => void;
  const request = new Promise<ServerResponse>((resolve) => {
    requested = resolve;
  });
  const site = createServer((_request, response) => requested(response));
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  stops.push(() => {
    site.closeAllConnections();
    site.close();
  });
  return { url: `http://127.0.0.1:${(site.address() as AddressInfo).port}/`, request };
}

async function start(env: Record<string, string> = {}): Promise<TestServer> {
  const server = await startServer(inject("fixtureOutput"), workDir(), env);
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

test("a runner of 6 s that runs at SIGTERM is answered, new ones are refused, and the exit is 0", async () => {
  const [server, site] = await Promise.all([start(), startSite()]);
  const execute = `${server.url}/api/runner/execute`;
  const body = { url: site.url, runners: ["greets"] };
  const answer = send(execute, body);
  const response = await site.request;
  const startedAt = performance.now();
  const stopped = server.stop("SIGTERM");
  setTimeout(() => response.end("hello"), 6000);
  await server.printed(/Stopping server gracefully \(10s\)/);
  await expect(send(execute, body)).rejects.toThrow("fetch failed");
  const { status, body: reply } = await answer;
  expect(status).toBe(200);
  expect(reply.results).toMatchObject([{ name: "greets", status: "pass" }]);
  expect(await stopped).toBe(0);
  // It does not wait for the 10 s to pass, nor for a connection that idles.
  expect(performance.now() - startedAt).toBeLessThan(9500);
});

test("SERVER_SHUTDOWN_TIMEOUT counts, and a runner that outlasts it is cut off and ended", async () => {
  const [server, site] = await Promise.all([start({ SERVER_SHUTDOWN_TIMEOUT: "1" }), startSite()]);
  const body = { url: site.url, runners: ["greets"] };
  const answer = send(`${server.url}/api/runner/execute`, body).catch((error: unknown) => error);
  await site.request;
  const startedAt = performance.now();
  expect(await server.stop("SIGTERM")).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(8000);
  // Not an error of the runner's, which nobody would try again.
  expect(await answer).toBeInstanceOf(TypeError);
});

test("where Nitro leaves signals alone, they end the process as ever", async () => {
  const server = await start({ CI: "1" });
  expect(await server.stop("SIGTERM")).toBe("SIGTERM");
});
