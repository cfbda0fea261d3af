import { afterAll, describe, expect, test } from "vitest";
import { createGuard, type Guard, type GuardedApi } from "../../../src/http/guard/guard.ts";
import { createKeyRing } from "../../../src/http/guard/keys.ts";
import { createEventTokens } from "../../../src/http/guard/tokens.ts";
import type { ApiKey, ApiScope } from "../../../src/types/handler.ts";
import { serveRunApi } from "../../_support/run-api.ts";

type Need = ApiScope | "open";

/** Every route: its method, its path below the mount, and what it needs. */
const routes: [method: string, path: string, need: Need][] = [
  ["GET", "", "read"],
  ["HEAD", "", "read"],
  ["POST", "", "run"],
  ["GET", "/spec.json", "read"],
  ["GET", "/docs", "read"],
  ["HEAD", "/docs", "read"],
  ["GET", "/greet", "read"],
  ["HEAD", "/greet", "read"],
  ["POST", "/greet", "run"],
  ["PUT", "/greet", "run"],
  ["PATCH", "/greet", "run"],
  ["DELETE", "/greet", "run"],
  ["GET", "/greet?runId=wrun_1", "read"],
  ["GET", "/greet/status?runId=wrun_1", "read"],
  ["POST", "/run", "run"],
  ["GET", "/run", "read"],
  ["GET", "/run/r1", "read"],
  ["GET", "/run/r1/status", "read"],
  ["POST", "/plan", "read"],
  ["GET", "/plan", "read"],
  ["POST", "/orchestrator", "run"],
  ["GET", "/orchestrator/r1", "read"],
  ["GET", "/orchestrator/r1/status", "read"],
  ["GET", "/r1", "read"],
  ["GET", "/r1/status", "read"],
  ["GET", "/nothing/of/this/kind", "read"],
  ["POST", "/nothing/of/this/kind", "run"],
  ["GET", "/runs", "read"],
  ["POST", "/runs", "run"],
  ["POST", "/runs?mode=plan", "run"],
  ["GET", "/runs/r1", "read"],
  ["HEAD", "/runs/r1", "read"],
  ["DELETE", "/runs/r1", "run"],
  ["GET", "/runs/r1/checkpoints", "read"],
  ["POST", "/runs/r1/checkpoints", "run"],
  ["GET", "/runs/r1/events", "read"],
  ["HEAD", "/runs/r1/events", "read"],
  ["POST", "/runs/r1/events", "run"],
  ["POST", "/runs/r1/events/token", "read"],
  ["GET", "/runs/r1/events/token", "read"],
  ["GET", "/health", "open"],
  ["HEAD", "/health", "open"],
  ["GET", "/ready", "open"],
  ["HEAD", "/ready", "open"],
  ["GET", "/metrics", "open"],
  ["HEAD", "/metrics", "open"],
  ["GET", "/health/", "open"],
  ["POST", "/health", "run"],
  ["DELETE", "/metrics", "run"],
  ["GET", "/health/more", "read"],
  // Of a workflow that is called so.
  ["GET", "/health?runId=wrun_1", "read"],
  ["GET", "/servers", "admin"],
  ["POST", "/servers", "admin"],
  ["GET", "/servers/eu-1", "admin"],
  ["DELETE", "/servers/eu-1", "admin"],
  ["POST", "/servers/eu-1/heartbeat", "admin"],
  ["POST", "/%73ervers", "admin"],
  ["DELETE", "/x/../servers/eu-1", "admin"],
  ["POST", "/x/%2e%2e/servers", "admin"],
];

const now = Date.now();
const keys: ApiKey[] = (["read", "run", "admin"] as const).map((scope) => ({
  name: `key-${scope}`,
  key: `secret-${scope}`,
  scopes: [scope],
}));
const guard = createGuard({ keys });
const ring = createKeyRing(keys);
const tokenOf = (runId: string, at = now): string =>
  createEventTokens(ring, () => at).issue(runId).token;

interface Credential {
  name: string;
  headers?: Record<string, string>;
  token?: string;
  /** What is let in with it. */
  admits: (need: Need, isEventStream: boolean) => boolean;
  /** Whether it is one of the configured keys. */
  known?: boolean;
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

const credentials: Credential[] = [
  { name: "none", admits: () => false },
  { name: "a wrong key", headers: bearer("secret"), admits: () => false },
  { name: "another scheme", headers: { authorization: "Basic cmVhZA==" }, admits: () => false },
  ...keys.map(({ key, scopes: [scope] }) => ({
    name: `the ${scope} key`,
    headers: bearer(key),
    admits: (need: Need) => need === scope || scope === "admin",
    known: true,
  })),
  {
    name: "the read key in x-api-key",
    headers: { "x-api-key": "secret-read" },
    admits: (need) => need === "read",
    known: true,
  },
  { name: "an expired token", token: tokenOf("r1", now - 601_000), admits: () => false },
  { name: "a token of another run", token: tokenOf("r2"), admits: () => false },
  { name: "a token", token: tokenOf("r1"), admits: (_need, isEventStream) => isEventStream },
  {
    name: "a token beside a wrong key",
    token: tokenOf("r1"),
    headers: bearer("secret"),
    admits: () => false,
  },
];

/** Whether a token of the run may stand for a key. */
function isEventStream(method: string, path: string): boolean {
  return (method === "GET" || method === "HEAD") && path === "/runs/r1/events";
}

/** What the guard itself answers; undefined where it lets a request through. */
function refusal(credential: Credential, method: string, path: string, need: Need) {
  if (need === "open" || credential.admits(need, isEventStream(method, path))) return undefined;
  return credential.known
    ? { status: 403, body: { error: "forbidden", required: need } }
    : { status: 401, body: { error: "unauthorized" } };
}

function addressed(base: string, path: string, token?: string): string {
  if (token === undefined) return base + path;
  return `${base}${path}${path.includes("?") ? "&" : "?"}token=${token}`;
}

type Mount = Pick<GuardedApi, "route" | "service">;

/** An answer that no guard gives. */
const through = 299;

async function decisionOf(guard: Guard, mount: Mount, request: Request) {
  const response = await guard.answer(request, {
    ...mount,
    isWorkflow: async (name) => name === "greet",
    answer: async () => new Response("", { status: through }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

describe.each<[string, Mount]>([
  ["/api/orchestrator", { route: "/api/orchestrator", service: false }],
  ["", { route: "", service: false }],
  ["/api/orchestrator", { route: "/api/orchestrator", service: "" }],
  ["", { route: "/api/orchestrator", service: "" }],
  ["/app", { route: "/app/api/orchestrator", service: "/app" }],
])("below %j of %j", (base, mount) => {
  test.each(credentials)("with $name", async (credential) => {
    for (const [method, path, need] of routes) {
      const url = addressed(`http://localhost${base}`, path, credential.token);
      const request = new Request(url, { method, headers: credential.headers ?? {} });
      const { status, headers, text } = await decisionOf(guard, mount, request);
      const refused = refusal(credential, method, path, need);
      const at = `${method} ${path}`;
      expect(status, at).toBe(refused?.status ?? through);
      if (refused) {
        expect(text, at).toBe(method === "HEAD" ? "" : JSON.stringify(refused.body));
        expect(headers.get("www-authenticate"), at).toBe(status === 401 ? "Bearer" : null);
      }
    }
  });
});

test("what is below no mount needs what its method does, and a probe's name opens nothing", async () => {
  for (const [path, method, status] of [
    ["/health", "GET", 401],
    ["/api/orchestratorx/health", "GET", 401],
    ["/elsewhere", "POST", 401],
  ] as const) {
    const request = new Request(`http://localhost${path}`, { method });
    expect(
      (await decisionOf(guard, { route: "/api/orchestrator", service: false }, request)).status,
      path,
    ).toBe(status);
  }
});

test("a path that is written otherwise needs what its route does", async () => {
  for (const path of ["/api/%6frchestrator/servers", "/x/../api/orchestrator/ser%76ers/eu"]) {
    const request = new Request(`http://localhost${path}`, {
      headers: bearer("secret-read"),
    });
    const mount = { route: "/api/orchestrator", service: false } as const;
    const { text } = await decisionOf(guard, mount, request);
    expect(JSON.parse(text), path).toEqual({ error: "forbidden", required: "admin" });
  }
});

test("a workflow that is called plan is started, and so needs what starts one", async () => {
  const api = await serveRunApi(["plan", "health"], guard);
  const starting = await api.send("/plan", {}, { headers: bearer("secret-read") });
  expect(starting.body).toEqual({ error: "forbidden", required: "run" });
  expect((await api.send("/plan", {}, { headers: bearer("secret-run") })).status).toBe(200);
  expect((await api.send("/health?runId=wrun_1")).status).toBe(401);
  await api.close();
});

test("without keys everybody is let in, whatever they carry", async () => {
  for (const { headers = {}, token } of credentials) {
    for (const [method, path] of routes) {
      const url = addressed("http://localhost", path, token);
      const request = new Request(url, { method, headers });
      expect(
        (await decisionOf(createGuard(), { route: "", service: "" }, request)).status,
        path,
      ).toBe(through);
    }
  }
});

describe("the served API", async () => {
  const api = await serveRunApi(["greet"], guard);
  const open = await serveRunApi(["greet"]);
  afterAll(() => Promise.all([api.close(), open.close()]));

  test.each(credentials)("with $name", async (credential) => {
    for (const [method, path, need] of routes) {
      const init = { method, headers: credential.headers ?? {} };
      const answer = await fetch(addressed(api.base, path, credential.token), init);
      const refused = refusal(credential, method, path, need);
      const at = `${method} ${path}`;
      if (!refused) {
        // What the API itself answers it.
        const same = await fetch(open.base + path, { method });
        expect(answer.status, at).toBe(same.status);
        await Promise.all([answer.text(), same.text()]);
        continue;
      }
      expect(answer.status, at).toBe(refused.status);
      expect(await answer.text(), at).toBe(method === "HEAD" ? "" : JSON.stringify(refused.body));
    }
  });
});
