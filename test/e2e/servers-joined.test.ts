import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { joinOrchestrator, type Membership } from "../../src/runner/index.ts";
import { send, until } from "../_support/api.ts";
import { createApp, root, startServer, type TestServer, workDir } from "../_support/app.ts";
import { counted, type Gauge } from "../_support/fleet.ts";
import { startHost } from "../_support/hosts.ts";
import { freePort } from "../_support/process.ts";
import { hasRedis, startRedis, type TestRedis } from "../_support/redis.ts";
import { passing, type Received, startRunnerServer } from "../_support/runner-server.ts";
import { startService } from "../_support/service.ts";

const stops: (() => unknown)[] = [];

afterAll(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const key = "operator-key";
const headers = { authorization: `Bearer ${key}` };

describe.runIf(hasRedis)("two orchestrators that share a registry on Redis", () => {
  let redis: TestRedis;
  let both: [TestServer, TestServer];
  const apiOf = ({ url }: TestServer): string => `${url}/api/orchestrator`;

  beforeAll(async () => {
    redis = await startRedis();
    stops.push(redis.kill);
    const env = {
      ORCHESTRATOR_API_KEY: key,
      ORCHESTRATOR_REDIS_URL: redis.url,
      ORCHESTRATOR_REGISTRY: JSON.stringify({ type: "storage", ttl: 2000, heartbeat: 500 }),
      RATE_LIMIT_MAX: "1000000",
    };
    // One that a bundler put together, and one that finds its packages by itself.
    both = await Promise.all([
      startServer(inject("fixtureOutput"), workDir(), env),
      startService({ env }),
    ]);
    for (const server of both) stops.push(() => server.stop("SIGKILL"));
  });

  /** A runner server in this process that joins the first of them; its jobs end as `reply` says. */
  async function joined(
    server: { id: string; region: string; capacity?: number },
    reply?: (received: Received, response: ServerResponse) => Promise<void> | void,
  ): Promise<{ membership: Membership; executes: Received[] }> {
    const { url, executes, close } = await startRunnerServer(reply);
    stops.push(close);
    const membership = joinOrchestrator({
      orchestrator: apiOf(both[0]),
      apiKey: key,
      server: { ...server, url },
    });
    stops.push(membership.leave);
    await membership.ready;
    return { membership, executes };
  }

  async function knownTo(server: TestServer): Promise<string[]> {
    const { body } = await send(`${apiOf(server)}/servers`, undefined, { headers });
    return body.servers.map(({ id }: { id: string }) => id);
  }

  /** What a server has in flight, as far as an orchestrator knows. */
  async function inFlightAt(server: TestServer, id: string): Promise<number> {
    const { body } = await send(`${apiOf(server)}/servers/${id}`, undefined, { headers });
    return body.server.inFlight;
  }

  /** Submits a run of so many jobs in a region, and answers with its id. */
  async function submit(
    server: TestServer,
    region: string,
    count: number,
    { name, url } = { name: "a", url: "https://example.com" },
  ): Promise<string> {
    const runners = Array.from({ length: count }, (_, job) => ({
      name,
      input: { url: `${url}/health?${job}` },
    }));
    const body = { mode: "remote", regions: [region], runners };
    const answer = await send(apiOf(server), body, { headers });
    expect(answer.status).toBe(200);
    return answer.body.runId as string;
  }

  async function ended(server: TestServer, runId: string) {
    await send(`${apiOf(server)}/run?runId=${runId}&wait=30`, undefined, { headers });
    return (await send(`${apiOf(server)}/${runId}`, undefined, { headers })).body;
  }

  test("never have more jobs at a server than it takes", async () => {
    const gauge: Gauge = { now: 0, most: 0 };
    await joined({ id: "eu", region: "eu", capacity: 3 }, counted(gauge, 40));
    // Each has had a job there: both have heard of it, and of each other.
    await Promise.all(both.map(async (server) => ended(server, await submit(server, "eu", 1))));
    const runs = await Promise.all(both.map((server) => submit(server, "eu", 30)));
    const results = await Promise.all(both.map((server, at) => ended(server, runs[at]!)));
    for (const { state, summary } of results) {
      expect([state, summary]).toMatchObject(["completed", { total: 30, passed: 30 }]);
    }
    expect(gauge.most).toBe(3);
  });

  test("even out what servers have, though neither sees what the other sends", async () => {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const held = async (received: Received, response: ServerResponse): Promise<void> => {
      await opened;
      passing(received, response);
    };
    const first = await joined({ id: "us-1", region: "us" }, held);
    const one = await submit(both[0], "us", 10);
    await until(() => first.executes.length === 10);
    const second = await joined({ id: "us-2", region: "us" }, held);
    await until(async () => (await knownTo(both[1])).includes("us-2"));
    await until(async () => (await inFlightAt(both[1], "us-1")) === 10);
    const other = await submit(both[1], "us", 10);
    await until(() => first.executes.length + second.executes.length === 20);
    expect([first.executes.length, second.executes.length]).toEqual([10, 10]);
    open();
    const results = await Promise.all([ended(both[0], one), ended(both[1], other)]);
    expect(results.map(({ state }) => state)).toEqual(["completed", "completed"]);
  });

  test("hear of a runner server that comes, drains or dies", async () => {
    const app = await createApp({ from: join(root, "examples/joining") });
    stops.push(app.remove);
    const start = async () => {
      const running = await startHost(join(app.dir, "server.mjs"), app.dir, {
        ORCHESTRATOR: apiOf(both[0]),
        ORCHESTRATOR_API_KEY: key,
        REGION: "ap",
      });
      stops.push(() => running.stop("SIGKILL"));
      return running;
    };
    const runners = await Promise.all([start(), start()]);
    const ids = runners.map(({ url }) => `ap-${new URL(url).host.replace(":", "-")}-api-runner`);
    const apOf = async (server: TestServer) =>
      (await knownTo(server)).filter((id) => id.startsWith("ap"));
    await until(async () => (await apOf(both[1])).length === 2);
    const url = apiOf(both[0]);
    const run = await ended(both[1], await submit(both[1], "ap", 6, { name: "statusTest", url }));
    expect(run).toMatchObject({ state: "completed", summary: { passed: 6 } });
    const at = run.jobs.map(({ server }: { server: string }) => server);
    expect(at.toSorted()).toEqual(ids.toSorted().flatMap((id) => [id, id, id]));
    // It ends by itself once it has drained and left.
    expect(await runners[0]!.stop("SIGTERM")).toBe(0);
    expect(await apOf(both[0])).toEqual([ids[1]]);
    await runners[1]!.stop("SIGKILL");
    await until(async () => (await apOf(both[1])).length === 0);
    expect(await apOf(both[0])).toEqual([]);
  });
});

test("without keys a server joins from this machine alone", async () => {
  const server = await startServer(inject("fixtureOutput"), workDir());
  stops.push(() => server.stop("SIGKILL"));
  const api = `${server.url}/api/orchestrator/servers`;
  const joining = { url: "http://127.0.0.1:1/api/runner", region: "eu" };
  const behindProxy = { headers: { "x-forwarded-for": "192.0.2.1" } };
  expect((await send(api, joining, behindProxy)).status).toBe(403);
  expect((await send(api, joining)).status).toBe(201);
});

test("a built app's runner server joins where ORCHESTRATOR_JOIN says, and leaves at its end", async () => {
  const server = await startServer(inject("fixtureOutput"), workDir());
  stops.push(() => server.stop("SIGKILL"));
  const orchestrator = `${server.url}/api/orchestrator`;
  const port = String(await freePort());
  const url = `http://127.0.0.1:${port}/api/runner`;
  const runner = await startServer(inject("fixtureOutput"), workDir(), {
    PORT: port,
    ORCHESTRATOR_REGION: "eu",
    ORCHESTRATOR_JOIN: JSON.stringify({ orchestrator, url, id: "me" }),
  });
  stops.push(() => runner.stop("SIGKILL"));
  const find = () => send(`${orchestrator}/servers/me`);
  await until(async () => (await find()).status === 200);
  expect((await find()).body.server).toMatchObject({ url, region: "eu", load: 0 });
  await runner.stop("SIGTERM");
  expect((await find()).status).toBe(404);
});
