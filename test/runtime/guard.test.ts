import { expect, onTestFinished, test } from "vitest";
import { createServerGuard, type ServerGuardParts } from "../../src/runtime/guard.ts";
import { serveRunApi } from "../_support/run-api.ts";

/** The API behind the guard that this comes to. */
async function serve(parts: Partial<ServerGuardParts>) {
  const { guard, start, close } = createServerGuard({
    options: {},
    limited: false,
    env: {},
    ...parts,
  });
  await start();
  const api = await serveRunApi(["greet"], guard);
  onTestFinished(api.close);
  onTestFinished(close);
  return api;
}

/** What is answered to a key, and how many of how many requests are left then. */
async function asked(parts: Partial<ServerGuardParts>, key?: string, origin = "https://a.example") {
  const { base } = await serve(parts);
  const answer = await fetch(base, { headers: { origin, ...(key && { "x-api-key": key }) } });
  return {
    status: answer.status,
    remaining: answer.headers.get("ratelimit-remaining"),
    policy: answer.headers.get("ratelimit-policy"),
    origin: answer.headers.get("access-control-allow-origin"),
  };
}

const two = JSON.stringify([
  { name: "a", key: "one", scopes: ["read"] },
  { name: "b", key: "two", scopes: ["run"] },
]);

test("without anything said there are no keys and no limit, and any page may ask", async () => {
  expect(await asked({})).toEqual({
    status: 200,
    remaining: null,
    policy: null,
    origin: "https://a.example",
  });
});

test("ORCHESTRATOR_API_KEY is one key for everything", async () => {
  const env = { ORCHESTRATOR_API_KEY: "secret" };
  expect((await asked({ env })).status).toBe(401);
  expect((await asked({ env }, "other")).status).toBe(401);
  expect((await asked({ env }, "secret")).status).toBe(200);
  const api = await serve({ env });
  const headers = { "x-api-key": "secret" };
  // There is no such server, for those who may ask.
  expect((await api.send("/servers/eu/heartbeat", {}, { headers })).status).toBe(404);
});

test("ORCHESTRATOR_API_KEYS are several, also beside it, and the option goes before both", async () => {
  const env = { ORCHESTRATOR_API_KEYS: two };
  expect((await asked({ env }, "one")).status).toBe(200);
  expect((await asked({ env }, "two")).status).toBe(403);
  const both = { ...env, ORCHESTRATOR_API_KEY: "three" };
  expect((await asked({ env: both }, "one")).status).toBe(200);
  expect((await asked({ env: both }, "three")).status).toBe(200);
  const apiKeys = [{ name: "own", key: "own", scopes: ["read" as const] }];
  expect((await asked({ env: both, apiKeys }, "own")).status).toBe(200);
  expect((await asked({ env: both, apiKeys }, "three")).status).toBe(401);
});

test("CORS_ORIGINS are the pages that may ask, and the option goes before them", async () => {
  const env = { CORS_ORIGINS: " https://a.example/ , https://B.example:8443" };
  expect((await asked({ env })).origin).toBe("https://a.example");
  expect((await asked({ env }, undefined, "https://b.example:8443")).origin).not.toBeNull();
  expect((await asked({ env }, undefined, "https://c.example")).origin).toBeNull();
  const options = { cors: { origins: ["https://c.example"] } };
  expect((await asked({ env, options })).origin).toBeNull();
  expect((await asked({ env, options }, undefined, "https://c.example")).origin).not.toBeNull();
  expect((await asked({ options: { cors: { origins: [] } } })).origin).toBeNull();
  expect((await asked({ env: { CORS_ORIGINS: " " } })).origin).toBe("https://a.example");
});

test.each([
  ["a service", { limited: true }, "120;w=60"],
  ["RATE_LIMIT_MAX", { env: { RATE_LIMIT_MAX: "7" } }, "7;w=60"],
  ["RATE_LIMIT_WINDOW_MS", { env: { RATE_LIMIT_WINDOW_MS: "90000" } }, "120;w=90"],
  ["the option", { options: { rateLimit: {} } }, "120;w=60"],
  [
    "the option, before the variables",
    {
      options: { rateLimit: { max: 9 } },
      env: { RATE_LIMIT_MAX: "7", RATE_LIMIT_WINDOW_MS: "5000" },
    },
    "9;w=5",
  ],
  ["the option that turns it off", { options: { rateLimit: false }, limited: true }, null],
  [
    "false before the variables",
    { options: { rateLimit: false }, env: { RATE_LIMIT_MAX: "7" } },
    null,
  ],
  ["nothing but proxies", { env: { RATE_LIMIT_TRUST_PROXY: "1" } }, null],
] satisfies [string, Partial<ServerGuardParts>, string | null][])(
  "%s limits as it says",
  async (_what, parts, policy) => {
    expect((await asked(parts)).policy).toBe(policy);
  },
);

test("guesses are limited wherever there are keys, and by false no longer", async () => {
  const env = { ORCHESTRATOR_API_KEY: "secret" };
  expect((await asked({ env }, "wrong")).policy).toBe("120;w=60");
  expect((await asked({ env }, "secret")).policy).toBeNull();
  expect((await asked({ env, options: { rateLimit: false } }, "wrong")).policy).toBeNull();
});

test("RATE_LIMIT_TRUST_PROXY says whose address is counted", async () => {
  const { base } = await serve({ env: { RATE_LIMIT_MAX: "1", RATE_LIMIT_TRUST_PROXY: "1" } });
  const from = (address: string) => fetch(base, { headers: { "x-forwarded-for": address } });
  expect((await from("192.0.2.1")).status).toBe(200);
  expect((await from("192.0.2.2")).status).toBe(200);
  expect((await from("192.0.2.1")).status).toBe(429);
});

test.each([
  [{ ORCHESTRATOR_API_KEY: "" }, "ORCHESTRATOR_API_KEY must be 1 to 512 visible ASCII characters"],
  [{ ORCHESTRATOR_API_KEY: "a secret" }, "ORCHESTRATOR_API_KEY must be 1 to 512"],
  [{ ORCHESTRATOR_API_KEYS: "" }, "ORCHESTRATOR_API_KEYS must be valid JSON"],
  [{ ORCHESTRATOR_API_KEYS: '[{"key": "secret"}]' }, "ORCHESTRATOR_API_KEYS[0].name must be"],
  [
    { ORCHESTRATOR_API_KEYS: two, ORCHESTRATOR_API_KEY: "one" },
    'ORCHESTRATOR_API_KEY has the key "default", whose name or characters',
  ],
  [{ CORS_ORIGINS: "https://a.example,a.example" }, "CORS_ORIGINS[1] must be an origin such as"],
  [{ CORS_ORIGINS: "https://a.example/path" }, "CORS_ORIGINS[0] must be an origin such as"],
  [{ RATE_LIMIT_MAX: "many" }, "RATE_LIMIT_MAX must be a whole number from 1 to 2147483647"],
  [{ RATE_LIMIT_MAX: "0" }, "RATE_LIMIT_MAX must be a whole number from 1"],
  [{ RATE_LIMIT_WINDOW_MS: "1e3" }, "RATE_LIMIT_WINDOW_MS must be a whole number from 1"],
  [{ RATE_LIMIT_MAX: "1", RATE_LIMIT_TRUST_PROXY: "-1" }, "RATE_LIMIT_TRUST_PROXY must be"],
  [{ RATE_LIMIT_MAX: "1", ORCHESTRATOR_REDIS_URL: "secret" }, "ORCHESTRATOR_REDIS_URL must be"],
])("%j stops the start, and no key is repeated", async (env, message) => {
  const { start, close } = createServerGuard({ options: {}, limited: false, env });
  onTestFinished(close);
  const refusal = await start().then(
    () => undefined,
    (error: Error) => error,
  );
  expect(refusal).toMatchObject({ code: "CONFIG_INVALID" });
  expect(refusal!.message.startsWith(message), refusal!.message).toBe(true);
  expect(refusal!.message).not.toMatch(/secret/);
});
