import { afterAll, describe, expect, test } from "vitest";
import { createGuard } from "../../src/http/guard/guard.ts";
import { serveRunApi } from "../_support/run-api.ts";

const open = await serveRunApi();
const keys = [
  { name: "ops", key: "admin-key", scopes: ["admin" as const] },
  { name: "ci", key: "run-key", scopes: ["read" as const, "run" as const] },
];
const guarded = await serveRunApi(["greet"], createGuard({ keys }));

afterAll(() => Promise.all([open.close(), guarded.close()]));

const eu = { url: "http://127.0.0.1:2/api/runner", region: "eu" };

test("a server joins, is listed and asked for, tells that it lives, and leaves", async () => {
  const wanted = { ...eu, id: "eu-1", capacity: 2, weight: 3, load: 1 };
  const joined = await open.send("/servers", wanted);
  expect([joined.status, joined.body]).toEqual([
    201,
    {
      server: {
        ...eu,
        id: "eu-1",
        capacity: 2,
        weight: 3,
        load: 1,
        circuit: "closed",
        inFlight: 0,
        lastSeenAt: expect.any(Number),
        leavesAt: expect.any(Number),
      },
      heartbeat: { interval: 10_000, ttl: 30_000 },
    },
  ]);
  const listed = await open.send("/servers");
  expect(listed.body.servers.map(({ id }: { id: string }) => id)).toEqual(["fixed", "eu-1"]);
  expect(listed.headers.get("cache-control")).toBe("no-store");
  const beaten = await open.send("/servers/eu-1/heartbeat", { load: 4, capacity: 8 });
  expect([beaten.status, beaten.body.server]).toMatchObject([200, { load: 4, capacity: 8 }]);
  const one = await open.send("/servers/eu-1");
  expect([one.status, one.body.server]).toMatchObject([200, { id: "eu-1", load: 4, capacity: 8 }]);
  const left = await open.send("/servers/eu-1", undefined, { method: "DELETE" });
  expect([left.status, left.body]).toEqual([200, { ok: true }]);
  for (const [path, init] of [
    ["/servers/eu-1", {}],
    ["/servers/eu-1", { method: "DELETE" }],
    ["/servers/eu-1/heartbeat", { method: "POST" }],
  ] as const) {
    const unknown = await open.send(path, undefined, init);
    expect([unknown.status, unknown.body]).toEqual([
      404,
      { error: 'There is no server "eu-1": it has left or never joined' },
    ]);
  }
});

test("one that joins again is known, and what has changed is taken", async () => {
  expect((await open.send("/servers", { ...eu, id: "again" })).status).toBe(201);
  expect((await open.send("/servers", { ...eu, id: "again" })).status).toBe(200);
  const moved = await open.send("/servers", { ...eu, id: "again", region: "us", capacity: 1 });
  expect([moved.status, moved.body.server]).toMatchObject([200, { region: "us", capacity: 1 }]);
  const without = await open.send("/servers", { ...eu, id: "again" });
  expect(without.body.server).not.toHaveProperty("capacity");
});

test("one without an id has the same each time, and another server has another", async () => {
  const ids = [];
  for (const more of [{}, {}, { region: "us" }, { url: "http://127.0.0.1:3/api/runner" }]) {
    const { body } = await open.send("/servers", { ...eu, ...more });
    ids.push(body.server.id);
  }
  expect(ids).toEqual([
    "eu-127.0.0.1-2-api-runner",
    "eu-127.0.0.1-2-api-runner",
    "us-127.0.0.1-2-api-runner",
    "eu-127.0.0.1-3-api-runner",
  ]);
});

test("a configured server stays what and where it is", async () => {
  const fixed = { url: "http://127.0.0.1:1/api/runner", region: "eu", id: "fixed" };
  const same = await open.send("/servers", { ...fixed, load: 2 });
  expect([same.status, same.body.server.load]).toEqual([200, 2]);
  const other = await open.send("/servers", { ...fixed, url: "http://127.0.0.1:9/" });
  expect([other.status, other.body.error]).toEqual([
    409,
    'id "fixed" is that of a configured server (http://127.0.0.1:1/api/runner, eu)',
  ]);
  const left = await open.send("/servers/fixed", undefined, { method: "DELETE" });
  expect([left.status, left.body]).toEqual([
    409,
    { error: 'Server "fixed" is configured, and stays as long as it is' },
  ]);
});

test.each([
  [{ region: "eu" }, "url is required"],
  [{ url: eu.url }, "region is required"],
  [{ ...eu, url: "eu.example.com" }, "url must be an absolute http(s) URL"],
  [{ ...eu, url: "file:///etc/passwd" }, "url must be an absolute http(s) URL"],
  [{ ...eu, url: "http://a:b@eu.example.com/" }, "url must be an absolute http(s) URL without"],
  [{ ...eu, url: "http://eu.example.com/?a=b" }, "url must be an absolute http(s) URL without"],
  [{ ...eu, region: " " }, "region must be visible text"],
  [{ ...eu, id: "a/b" }, "id must consist of 1 to 100 letters"],
  [{ ...eu, id: 7 }, "id must be a string"],
  [{ ...eu, capacity: 0 }, "capacity must be greater than 0"],
  [{ ...eu, weight: -1 }, "weight must be greater than 0"],
  [{ ...eu, load: "1" }, "load must be a number"],
  [{ ...eu, regions: [] }, "regions is not expected"],
])("%j is refused: %s", async (body, message) => {
  const { status, body: answer } = await open.send("/servers", body);
  expect(status).toBe(400);
  expect(answer.error.startsWith(message), answer.error).toBe(true);
  expect(answer.issues[0].path).toEqual([message.split(" ")[0]]);
});

test("a heartbeat that makes no sense is refused, and one without a body is one", async () => {
  await open.send("/servers", { ...eu, id: "beats" });
  const beat = async (body?: unknown) =>
    (await open.send("/servers/beats/heartbeat", body, { method: "POST" })).status;
  expect(await beat({ load: -1 })).toBe(400);
  expect(await beat({ capacity: 1.5 })).toBe(400);
  expect(await beat({ url: "http://elsewhere" })).toBe(400);
  expect(await beat()).toBe(200);
});

test("other methods are told which there are", async () => {
  for (const [path, method, allow] of [
    ["/servers", "DELETE", "GET, HEAD, POST"],
    ["/servers/eu-1", "POST", "GET, HEAD, DELETE"],
    ["/servers/eu-1/heartbeat", "GET", "POST"],
  ] as const) {
    const answer = await open.send(path, undefined, { method });
    expect([answer.status, answer.headers.get("allow")], path).toEqual([405, allow]);
  }
  expect((await open.send("/servers/eu-1/other")).status).toBe(404);
});

describe("without keys", () => {
  // `fetch` connects from loopback; these say that somebody else is behind it.
  test.each<Record<string, string>>([
    { "x-forwarded-for": "192.0.2.1" },
    { forwarded: "for=192.0.2.1" },
    { via: "1.1 proxy" },
    { origin: "http://evil.example" },
    { "sec-fetch-site": "same-origin" },
  ])("only programs of this machine change anything: %j", async (headers) => {
    for (const [path, method, body] of [
      ["/servers", "POST", { ...eu, id: "evil" }],
      ["/servers/fixed", "DELETE", undefined],
      ["/servers/fixed/heartbeat", "POST", {}],
    ] as const) {
      const answer = await open.send(path, body, { method, headers });
      expect([answer.status, answer.body.error], path).toEqual([
        403,
        expect.stringContaining("`registry.open`"),
      ]);
    }
    expect((await open.send("/servers/evil")).status).toBe(404);
    expect((await open.send("/servers", undefined, { headers })).status).toBe(200);
  });
});

test("with keys only that of an operator lets anybody join, from wherever", async () => {
  const from = { "x-forwarded-for": "192.0.2.1" };
  const join = async (headers: Record<string, string>) =>
    (await guarded.send("/servers", { ...eu, id: "keyed" }, { headers })).status;
  expect(await join({})).toBe(401);
  expect(await join({ ...from, authorization: "Bearer run-key" })).toBe(403);
  expect(await join({ ...from, authorization: "Bearer admin-key" })).toBe(201);
});

test("a workflow that is called servers goes before them", async () => {
  const api = await serveRunApi(["servers"]);
  expect((await api.send("/servers")).body).toMatchObject({ name: "servers" });
  expect((await api.send("/servers/fixed")).status).toBe(404);
  await api.close();
});
