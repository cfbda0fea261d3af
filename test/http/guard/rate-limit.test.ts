import { onTestFinished, expect, test } from "vitest";
import { createGuard, type GuardOptions } from "../../../src/http/guard/guard.ts";
import { until } from "../../_support/api.ts";
import { serveRunApi, type RunApi } from "../../_support/run-api.ts";

const keys = [
  { name: "one", key: "first", scopes: ["read" as const] },
  { name: "two", key: "second", scopes: ["admin" as const] },
];
const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

async function serve(
  rateLimit: Partial<GuardOptions["rateLimit"]>,
  options: GuardOptions = {},
): Promise<RunApi> {
  const limit = { window: 60_000, max: 2, trustProxy: 0, of: "requests" as const };
  const api = await serveRunApi(
    ["greet"],
    createGuard({ ...options, rateLimit: { ...limit, ...rateLimit } }),
  );
  onTestFinished(api.close);
  return api;
}

const limitsOf = ({ headers }: { headers: Headers }) => ({
  limit: headers.get("ratelimit-limit"),
  remaining: headers.get("ratelimit-remaining"),
  policy: headers.get("ratelimit-policy"),
});

test("each answer says how many are left, and one too many is refused until the window is over", async () => {
  const api = await serve({ window: 1500 });
  const state = (remaining: string) => ({ limit: "2", remaining, policy: "2;w=2" });
  expect(limitsOf(await api.send(""))).toEqual(state("1"));
  expect(limitsOf(await api.send("/nothing/here"))).toEqual(state("0"));
  const refused = await api.send("");
  expect({ status: refused.status, body: refused.body }).toEqual({
    status: 429,
    body: { error: "rate_limited" },
  });
  expect(limitsOf(refused)).toEqual(state("0"));
  expect(refused.headers.get("ratelimit-reset")).toMatch(/^[12]$/);
  expect(refused.headers.get("retry-after")).toBe(refused.headers.get("ratelimit-reset"));
  const head = await fetch(api.base, { method: "HEAD" });
  expect({ status: head.status, text: await head.text() }).toEqual({ status: 429, text: "" });
  await until(async () => (await api.send("")).status === 200, 5000);
});

test("every key is counted by itself, and so is every address", async () => {
  const api = await serve({ trustProxy: 1 }, { keys });
  for (const key of ["first", "second"]) {
    for (const status of [200, 200, 429]) {
      expect((await api.send("", undefined, bearer(key))).status, key).toBe(status);
    }
  }
  for (const address of ["192.0.2.1", "192.0.2.2"]) {
    const from = { headers: { "x-forwarded-for": address } };
    for (const status of [401, 401, 429]) {
      expect((await api.send("", undefined, from)).status, address).toBe(status);
    }
  }
});

test("a key that may not is counted too", async () => {
  const api = await serve({}, { keys });
  for (const status of [403, 403, 429]) {
    expect((await api.send("/greet", {}, bearer("first"))).status).toBe(status);
  }
});

test("probes and preflights are never counted", async () => {
  const api = await serve({ max: 1 }, { keys });
  for (let round = 0; round < 3; round++) {
    for (const path of ["/health", "/ready", "/metrics"]) {
      const answer = await fetch(api.base + path);
      expect(answer.status).not.toBe(429);
      expect(answer.headers.has("ratelimit-limit")).toBe(false);
    }
    expect((await fetch(api.base, { method: "OPTIONS" })).status).toBe(204);
  }
});

test("who guesses keys is soon told nothing any more, not even of the right one", async () => {
  const api = await serve({ max: 3, of: "guesses", trustProxy: 1 }, { keys });
  const from = (address: string, key: string) => {
    const headers = { ...bearer(key).headers, "x-forwarded-for": address };
    return api.send("", undefined, { headers });
  };
  const guesses = [];
  for (const key of ["a", "b", "c", "d", "first"]) {
    guesses.push((await from("192.0.2.1", key)).status);
  }
  expect(guesses).toEqual([401, 401, 401, 429, 429]);
  const refused = await from("192.0.2.1", "first");
  expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
  expect(limitsOf(refused)).toEqual({ limit: "3", remaining: "0", policy: "3;w=60" });
  // Others go on, as often as they like.
  for (let round = 0; round < 5; round++) {
    const answer = await from("192.0.2.2", "first");
    expect(answer.status).toBe(200);
    expect(answer.headers.has("ratelimit-limit")).toBe(false);
  }
});

test("many at once are counted one by one", async () => {
  const api = await serve({ max: 20 });
  const answers = await Promise.all(Array.from({ length: 50 }, () => api.send("")));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(30);
});

test("heartbeats of servers that may send them are not counted, and of others they are", async () => {
  const api = await serve({}, { keys });
  const beat = async (key: string) =>
    (await api.send("/servers/eu-1/heartbeat", {}, bearer(key))).status;
  const statuses = async (key: string) => [await beat(key), await beat(key), await beat(key)];
  expect(await statuses("second")).toEqual([404, 404, 404]);
  expect(await statuses("first")).toEqual([403, 403, 429]);
  expect((await api.send("/servers", undefined, bearer("second"))).status).toBe(200);
});
