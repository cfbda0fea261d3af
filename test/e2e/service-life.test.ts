import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { type TestServer, workDir } from "../_support/app.ts";
import { type Fleet, createFleet, regions, registry } from "../_support/fleet.ts";
import { passing, type Received } from "../_support/runner-server.ts";
import { freePort } from "../_support/process.ts";
import { beginService, slowWorld, startService } from "../_support/service.ts";

let fleet: Fleet;
const stops: (() => unknown)[] = [];

beforeEach(() => {
  fleet = createFleet();
});

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await fleet.stop();
});

async function start(options: Parameters<typeof startService>[0]): Promise<TestServer> {
  const server = await startService(options);
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

/** Runner servers' answers that the test lets go. */
function held(): {
  reply: (received: Received, response: ServerResponse) => void;
  release: () => void;
} {
  let released = false;
  const waiting: (() => void)[] = [];
  return {
    reply(received, response) {
      if (released) passing(received, response);
      else waiting.push(() => passing(received, response));
    },
    release() {
      released = true;
      for (const answer of waiting.splice(0)) answer();
    },
  };
}

/** Starts a run of so many jobs in one region, and answers with its id. */
async function submit(url: string, jobs: number, rest: object = {}): Promise<string> {
  const runners = Array.from({ length: jobs }, (_, index) => ({
    name: "check",
    region: "eu",
    input: { url: `https://example.com/${index}` },
  }));
  const { status, body } = await send(`${url}/runs?mode=remote`, { runners, ...rest });
  expect({ status, body }).toMatchObject({ status: 201 });
  return body.runId as string;
}

/** A run's results once it has ended. */
async function ended(url: string, runId: string): Promise<any> {
  await until(async () => {
    const { body } = await send(`${url}/runs/${runId}`);
    return body.run.status !== "running" && body.run.status !== "pending";
  }, 20_000);
  return (await send(`${url}/api/orchestrator/${runId}`)).body;
}

/** All that a run's event stream sends from now on, once its first event has come. */
async function follow(url: string, runId: string): Promise<{ rest: Promise<string> }> {
  const response = await fetch(`${url}/runs/${runId}/events`);
  expect(response.status).toBe(200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const first = await reader.read();
  expect(first.value).toContain("event: hello");
  const read = async (): Promise<string> => {
    const { done, value } = await reader.read();
    return done ? "" : value + (await read());
  };
  return { rest: read() };
}

test("SIGTERM with thousands of jobs queued: those in flight end, the rest goes on at the next start, each once", async () => {
  const answers = held();
  const server = await fleet.runnerServer(answers.reply);
  const cwd = workDir();
  const first = await start({ cwd, env: regions({ eu: server }) });
  const runId = await submit(first.url, 2000, { concurrency: 20 });
  await until(() => server.executes.length === 20);
  const stream = await follow(first.url, runId);
  const poll = send(`${first.url}/api/orchestrator/${runId}/status?wait=60`);
  const stopped = first.stop("SIGTERM");

  await until(async () => (await send(`${first.url}/ready`)).status === 503);
  expect((await send(`${first.url}/ready`)).body).toMatchObject({
    error: "The orchestrator is shutting down",
  });
  expect((await send(`${first.url}/health`)).status).toBe(200);
  // Those who wait are not kept until the end, nor are they cut off.
  expect((await poll).body).toMatchObject({ runId, state: "running", completedJobs: 0 });
  expect(await stream.rest).not.toContain("completed");
  // What is acknowledged now is the next start's.
  const late = await submit(first.url, 1);

  answers.release();
  expect(await stopped).toBe(0);
  expect(server.executes).toHaveLength(20);
  expect(first.output()).not.toMatch(/error/i);

  const second = await start({ cwd, env: regions({ eu: server }) });
  const results = await ended(second.url, runId);
  expect(results).toMatchObject({ state: "completed", summary: { total: 2000, passed: 2000 } });
  expect(await ended(second.url, late)).toMatchObject({ summary: { passed: 1 } });
  const keys = server.executes.map(({ key }) => key);
  expect(keys).toHaveLength(2001);
  expect(new Set(keys).size).toBe(2001);
});

test("an attempt that outlasts the bound is handed back, and sent again under its key", async () => {
  const answers = held();
  const server = await fleet.runnerServer(answers.reply);
  const cwd = workDir();
  const args = ["--shutdown-timeout", "300"];
  const first = await start({ cwd, args, env: regions({ eu: server }) });
  const runId = await submit(first.url, 2);
  await until(() => server.executes.length === 2);
  const startedAt = performance.now();
  expect(await first.stop("SIGTERM")).toBe(0);
  const took = performance.now() - startedAt;
  expect(took).toBeGreaterThan(290);
  expect(took).toBeLessThan(3000);
  answers.release();
  const second = await start({ cwd, env: regions({ eu: server }) });
  expect(await ended(second.url, runId)).toMatchObject({ summary: { total: 2, passed: 2 } });
  const [one, two, ...again] = server.executes.map(({ key }) => key);
  expect(again.toSorted()).toEqual([one, two].toSorted());
});

test("jobs that wait for a server, or for another try, do not hold it up", async () => {
  const full = await fleet.runnerServer((_received, response) => {
    response.statusCode = 503;
    response.setHeader("retry-after", "30");
    response.end("{}");
  });
  const cwd = workDir();
  const first = await start({
    cwd,
    env: registry({ one: { url: full.url, region: "eu", capacity: 1 } }),
  });
  const runId = await submit(first.url, 5);
  await until(() => full.executes.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const startedAt = performance.now();
  expect(await first.stop("SIGINT")).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(3000);
  const well = await fleet.runnerServer();
  const second = await start({ cwd, env: regions({ eu: well }) });
  expect(await ended(second.url, runId)).toMatchObject({ summary: { total: 5, passed: 5 } });
});

test.each([
  ["SIGTERM", "SIGTERM", 143],
  ["SIGINT", "SIGINT", 130],
  ["SIGTERM", "SIGINT", 130],
] as const)("%s, then %s: it exits at once with %i", async (first, second, code) => {
  const server = await fleet.runnerServer(() => undefined);
  const cwd = workDir();
  const service = await start({ cwd, env: regions({ eu: server }) });
  await submit(service.url, 1);
  await until(() => server.executes.length === 1);
  const exit = once(service.child, "exit");
  service.child.kill(first);
  await until(async () => (await send(`${service.url}/ready`)).status === 503);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const startedAt = performance.now();
  service.child.kill(second);
  expect(await exit).toEqual([code, null]);
  // Within 100 ms on a machine that has nothing else to do; the first signal's drain takes 5 s.
  expect(performance.now() - startedAt).toBeLessThan(500);
});

test("a client that does not read its event stream does not hold it up", async () => {
  const server = await fleet.runnerServer(() => undefined);
  const service = await start({
    args: ["--shutdown-timeout", "100"],
    env: regions({ eu: server }),
  });
  const runId = await submit(service.url, 1);
  const response = await fetch(`${service.url}/runs/${runId}/events`);
  const data = "x".repeat(60_000);
  for (let round = 0; round < 100; round++) {
    await send(`${service.url}/runs/${runId}/checkpoints`, { type: "big", data });
  }
  const startedAt = performance.now();
  expect(await service.stop("SIGTERM")).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(4000);
  await response.body!.cancel().catch(() => undefined);
});

test("before the World has started it says that it lives and is not ready, and other requests wait", async () => {
  const cwd = workDir();
  await slowWorld(cwd);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ["--port", String(port)];
  const env = { WORKFLOW_TARGET_WORLD: "slow-world" };
  const service = await beginService({ cwd, args, env });
  stops.push(() => service.stop("SIGKILL"));
  const alive = (): Promise<boolean> =>
    send(`${url}/health`).then(
      ({ status }) => status === 200,
      () => false,
    );
  await until(alive);
  const list = send(`${url}/runs`);
  const refused = await send(`${url}/ready`);
  expect(refused.status).toBe(503);
  expect(refused.body).toMatchObject({ error: "The orchestrator is starting" });
  expect(await Promise.race([list, "waits"])).toBe("waits");
  await writeFile(join(cwd, "go"), "");
  expect((await list).status).toBe(200);
  expect((await send(`${url}/ready`)).status).toBe(200);
  await service.printed(/Listening on/);
  expect(await service.stop("SIGTERM")).toBe(0);
});
