import { request } from "node:http";
import { afterAll, describe, expect, inject, test } from "vitest";
import { send } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";
import { hasRedis, startRedis } from "../_support/redis.ts";

const stops: (() => Promise<unknown> | unknown)[] = [];

afterAll(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const scopes = ["read", "run", "admin"] as const;
const apiKeys = scopes.map((scope) => ({ name: scope, key: `key-${scope}`, scopes: [scope] }));
const keyed = { ORCHESTRATOR_API_KEYS: JSON.stringify(apiKeys) };
const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

async function startBuilt(env: Record<string, string>): Promise<TestServer> {
  const server = await startServer(inject("fixtureOutput"), workDir(), env);
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

describe("a built app with keys", async () => {
  const { url } = await startBuilt(keyed);
  const base = `${url}/api/orchestrator`;

  test.each([
    ["no key", {}, { list: 401, start: 401, plan: 401, servers: 401 }],
    ["a wrong key", bearer("key"), { list: 401, start: 401, plan: 401, servers: 401 }],
    ["the read key", bearer("key-read"), { list: 200, start: 403, plan: 400, servers: 403 }],
    [
      "the read key in x-api-key",
      { headers: { "x-api-key": "key-read" } },
      { list: 200, start: 403, plan: 400, servers: 403 },
    ],
    ["the run key", bearer("key-run"), { list: 403, start: 200, plan: 403, servers: 403 }],
    ["the admin key", bearer("key-admin"), { list: 200, start: 200, plan: 400, servers: 404 }],
  ])(
    "%s opens what it is for, and the engine's routes to nobody",
    async (_name, init, expected) => {
      const statusOf = async (path: string, body?: unknown) =>
        (await send(base + path, body, init)).status;
      expect({
        list: await statusOf(""),
        start: await statusOf("/greet", { input: { name: "Ada" } }),
        plan: await statusOf("/plan", {}),
        servers: await statusOf("/servers/eu/heartbeat", {}),
      }).toEqual(expected);
      for (const path of ["flow", "step"]) {
        const place = `${url}/.well-known/workflow/v1/${path}`;
        for (const body of [undefined, {}]) {
          expect((await send(place, body, init)).status, path).toBe(403);
        }
      }
    },
  );

  test("a run's event stream is let in by its own token, which a key that reads gets", async () => {
    const started = async () =>
      (await send(`${base}/greet`, { input: { name: "Ada" } }, bearer("key-run"))).body.runId;
    const [runId, other] = [await started(), await started()];
    const token = (id: string, init: object) =>
      send(`${base}/runs/${id}/events/token`, undefined, { method: "POST", ...init });
    expect((await token(runId, {})).status).toBe(401);
    expect((await token(runId, bearer("key-run"))).body).toEqual({
      error: "forbidden",
      required: "read",
    });
    expect((await token("wrun_of_nobody", bearer("key-read"))).body).toEqual({
      error: "run not found",
    });
    const made = await token(runId, bearer("key-read"));
    expect(made.status).toBe(201);
    expect(made.headers.get("cache-control")).toBe("no-store");
    expect(Object.keys(made.body)).toEqual(["token", "expiresAt"]);
    expect(Date.parse(made.body.expiresAt)).toBeGreaterThan(Date.now());

    const events = (id: string, query = "") => fetch(`${base}/runs/${id}/events${query}`);
    const query = `?token=${made.body.token}`;
    expect((await events(runId)).status).toBe(401);
    expect((await events(other, query)).status).toBe(401);
    expect((await fetch(`${base}/runs/${runId}${query}`)).status).toBe(401);
    const stream = await events(runId, query);
    expect(stream.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(await stream.text()).toMatch(/^event: hello\n/);
  });

  test("probes, preflights and pages need no key, and every answer can be read", async () => {
    for (const path of ["health", "ready", "metrics"]) {
      expect((await fetch(`${base}/${path}`)).status).not.toBe(401);
    }
    const origin = { origin: "https://app.example" };
    const asked = await fetch(`${base}/greet`, { method: "OPTIONS", headers: origin });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-origin")).toBe("https://app.example");
    const refused = await fetch(base, { headers: origin });
    expect(refused.headers.get("access-control-allow-origin")).toBe("https://app.example");
    const head = await fetch(base, { method: "HEAD" });
    expect({ status: head.status, type: head.headers.get("content-type") }).toEqual({
      status: 401,
      type: "application/json",
    });
    const docs = await fetch(`${base}/docs`, { headers: { accept: "text/html" } });
    expect({ status: docs.status, type: docs.headers.get("content-type") }).toEqual({
      status: 401,
      type: "text/html; charset=utf-8",
    });
  });

  test("paths that only look otherwise are no way in", async () => {
    const raw = (path: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const { port } = new URL(url);
        const asked = request({ host: "127.0.0.1", port, path, agent: false }, (response) => {
          response.resume().on("end", () => resolve(response.statusCode!));
        });
        asked.on("error", reject).end();
      });
    for (const path of [
      "/api/orchestrator/health/..",
      "/api/orchestrator/health/%2e%2e",
      "/api/orchestrator/health/../greet",
      "/api/orchestrator/health%2f..%2fgreet",
      "/api/orchestrator//health/../greet",
      "/api/orchestrator/health;/../greet",
      "/api/orchestrator/health\\..\\greet",
      "/api/%6frchestrator",
      "/api/orchestrator?x=/health",
      "/api/orchestrator#/health",
    ]) {
      // What the router does not bring to us it does not find.
      expect([400, 401, 404], path).toContain(await raw(path));
    }
  });
});

test("a built app does not start with keys that it cannot read, and says nothing of them", async () => {
  const starting = startServer(inject("fixtureOutput"), workDir(), {
    ORCHESTRATOR_API_KEYS: '[{"name": "ci", "key": "s3cret", "scopes": ["write"]}]',
  });
  const { message } = await starting.then(
    () => new Error("it started"),
    (error: Error) => error,
  );
  expect(message).toContain(
    "[orchestrator] cannot start: ORCHESTRATOR_API_KEYS[0].scopes must be a list of one or more of read, run, admin",
  );
  expect(message).not.toContain("s3cret");
});

test.runIf(hasRedis)("two built apps share their counts, and end while Redis is away", async () => {
  const redis = await startRedis();
  stops.push(redis.kill);
  const env = { ...keyed, RATE_LIMIT_MAX: "3", ORCHESTRATOR_REDIS_URL: redis.url };
  const servers = await Promise.all([startBuilt(env), startBuilt(env)]);
  const [one, other] = servers.map(({ url }) => async () => {
    const { status, headers } = await send(
      `${url}/api/orchestrator`,
      undefined,
      bearer("key-read"),
    );
    return [status, headers.get("ratelimit-remaining")];
  }) as [() => Promise<unknown>, () => Promise<unknown>];
  expect([await one(), await other(), await one(), await other()]).toEqual([
    [200, "2"],
    [200, "1"],
    [200, "0"],
    [429, "0"],
  ]);
  await redis.kill();
  expect(await other()).toEqual([200, "2"]);
  expect(await servers[0]!.stop("SIGTERM")).toBe(0);
  expect(await servers[1]!.stop("SIGTERM")).toBe(0);
  expect(servers[1]!.output()).toMatch(/Redis at 127\.0\.0\.1:\d+ is away/);
  expect(servers.map(({ output }) => output()).join("")).not.toMatch(/unhandled/i);
});
