import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, inject, test } from "vitest";
import { finished, send, startRun, until } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";
import { createFleet, regions } from "../_support/fleet.ts";
import { passing } from "../_support/runner-server.ts";
import { slowWorld } from "../_support/service.ts";

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

/** Starts a run of two jobs, of which one may be in flight at a time. */
async function submit(url: string): Promise<string> {
  const check = { name: "check", region: "eu" };
  const runners = ["a", "b"].map((path) => ({
    ...check,
    input: { url: `https://x.test/${path}` },
  }));
  const body = { runners, mode: "remote", concurrency: 1 };
  const answer = await send(`${url}/api/orchestrator/runs`, body);
  expect(answer.status).toBe(201);
  return answer.body.runId as string;
}

test("at SIGTERM the attempt in flight may end, streams end, nothing begins, and no sleep holds it up", async () => {
  const fleet = createFleet();
  stops.push(fleet.stop);
  let answer = (): void => undefined;
  const runner = await fleet.runnerServer((received, response) => {
    if (runner.executes.length > 1) passing(received, response);
    else answer = () => passing(received, response);
  });
  const cwd = workDir();
  const env = regions({ eu: runner });
  const first = await fleet.orchestrator(env, { cwd });
  await startRun(first.url, "nap", { args: [60_000] });
  const runId = await submit(first.url);
  await until(() => runner.executes.length === 1);
  const stream = await fetch(`${first.url}/api/orchestrator/runs/${runId}/events`);
  const streamed = stream.text();
  const startedAt = performance.now();
  const stopped = first.stop("SIGTERM");
  expect(await streamed).toContain("event: hello");
  await new Promise((resolve) => setTimeout(resolve, 500));
  answer();
  expect(await stopped).toBe(0);
  // It does not wait for what idles of the stream's connection.
  expect(performance.now() - startedAt).toBeLessThan(3500);
  expect(runner.executes).toHaveLength(1);

  const second = await fleet.orchestrator(env, { cwd });
  const { body } = await finished(second.url, "run", runId);
  expect(body).toMatchObject({ state: "completed", total: 2, passed: 2 });
  expect(new Set(runner.executes.map(({ key }) => key)).size).toBe(2);
  expect(runner.executes).toHaveLength(2);
});

test("told to end a second time, it ends at once", async () => {
  const fleet = createFleet();
  stops.push(fleet.stop);
  const runner = await fleet.runnerServer(() => undefined);
  const server = await fleet.orchestrator(regions({ eu: runner }));
  await submit(server.url);
  await until(() => runner.executes.length === 1);
  const exit = once(server.child, "exit");
  server.child.kill("SIGTERM");
  await server.printed(/Stopping server gracefully|Server closed successfully/);
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.child.kill("SIGTERM");
  expect(await exit).toEqual([143, null]);
});

test("before the World has started it says that it lives and is not ready, and other requests wait", async () => {
  const cwd = workDir();
  await mkdir(cwd, { recursive: true });
  await slowWorld(cwd);
  const server = await startServer(inject("fixtureOutput"), cwd, {
    WORKFLOW_TARGET_WORLD: "slow-world",
  });
  stops.push(() => server.stop("SIGKILL"));
  const base = `${server.url}/api/orchestrator`;
  const list = send(base);
  expect((await send(`${base}/health`)).status).toBe(200);
  expect((await send(`${base}/ready`)).status).toBe(503);
  expect(await Promise.race([list, "waits"])).toBe("waits");
  await writeFile(join(cwd, "go"), "");
  expect((await list).status).toBe(200);
  expect((await send(`${base}/ready`)).status).toBe(200);
});

test("where Nitro leaves signals alone, they end the process as ever", async () => {
  const server = await start({ CI: "1" });
  expect(await server.stop("SIGTERM")).toBe("SIGTERM");
});
