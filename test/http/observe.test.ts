import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGuard } from "../../src/http/guard/guard.ts";
import { createApi } from "../../src/http/app.ts";
import type { Manifest } from "../../src/types/manifest.ts";
import type { AnsweredRequest, Observability } from "../../src/types/observe.ts";
import type { Readiness } from "../../src/types/service.ts";
import { createMemoryRuns } from "../_support/memory-runs.ts";
import { requestFor } from "../_support/run-api.ts";
import { plainTracing } from "../../src/core/trace.ts";
import { randomHex } from "../../src/http/observe.ts";

interface Line {
  level: "error" | "info" | "warn";
  message: string;
  [field: string]: unknown;
}

/** Keeps what the HTTP side tells of itself. */
function recorder(): { lines: Line[]; requests: AnsweredRequest[]; observability: Observability } {
  const lines: Line[] = [];
  const requests: AnsweredRequest[] = [];
  const logWith = (bound: object): Observability["log"] => {
    const at = (level: Line["level"]) => (fields: object, message: string) =>
      void lines.push({ level, message, ...bound, ...fields });
    return {
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (fields) => logWith({ ...bound, ...fields }),
    };
  };
  const observability: Observability = {
    log: logWith({}),
    tracing: plainTracing(randomHex),
    request: (answered) => void requests.push(answered),
    eventStreams: { inc: () => undefined, dec: () => undefined },
    metrics: async () => ({ contentType: "text/plain; version=0.0.4", text: "up 1\n" }),
  };
  return { lines, requests, observability };
}

const route = "/api/orchestrator";
let memory: ReturnType<typeof createMemoryRuns>;
let seen: ReturnType<typeof recorder>;
let readiness: Readiness;
let names: string[];
let send: (path: string, init?: RequestInit) => Promise<Response>;

beforeEach(() => {
  memory = createMemoryRuns();
  seen = recorder();
  readiness = { ready: true };
  names = ["greet"];
  const manifest = async (): Promise<Manifest> => ({
    workflows: names.map((name) => ({
      name,
      workflowId: `workflow//${name}`,
      file: `workflows/${name}.ts`,
      line: 1,
      parameters: [],
      accepts: "unknown",
    })),
    inputs: {},
  });
  const api = createApi({
    route,
    service: "",
    engine: memory.engine,
    runs: memory.runs,
    ...memory.service,
    manifest,
    injected: {
      registry: { kind: "server-registry", name: "default" },
      loadBalancer: { kind: "load-balancer", name: "default" },
    },
    guard: createGuard(),
    observability: seen.observability,
    readiness: () => readiness,
  });
  send = (path, init) => api(new Request(`http://localhost${path}`, init));
});

afterEach(() => {
  // What nobody foresaw is for one test alone.
  expect(seen.lines.filter(({ level }) => level === "error")).toEqual([]);
});

const post = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json", ...headers },
});

describe("the request id", () => {
  test("is the caller's where it is sane", async () => {
    for (const id of ["a", "req-1/2~3", "x".repeat(128)]) {
      const answer = await send(route, { headers: { "x-request-id": id } });
      expect(answer.headers.get("x-request-id")).toBe(id);
      expect(seen.lines.at(-1)).toMatchObject({ id, message: "request" });
    }
  });

  test("is made where there is none or it is not", async () => {
    const made = new Set<string>();
    for (const id of [undefined, "", "x".repeat(129), "two words", "é"]) {
      const answer = await send(route, { headers: id === undefined ? {} : { "x-request-id": id } });
      const given = answer.headers.get("x-request-id")!;
      expect(given).toMatch(/^[\da-f-]{36}$/);
      made.add(given);
    }
    expect(made.size).toBe(5);
  });

  test.each([
    ["an unknown path", `${route}/a/b/c`, {}, 404],
    ["a path outside", "/elsewhere", {}, 404],
    ["a malformed path", `${route}/%E0%A4%A`, {}, 400],
    ["a wrong method", `${route}/docs`, { method: "POST" }, 405],
    [
      "another site's page",
      route,
      { method: "POST", headers: { "sec-fetch-site": "cross-site" } },
      403,
    ],
    [
      "a bad body",
      route,
      { method: "POST", body: "{", headers: { "content-type": "application/json" } },
      400,
    ],
    ["HEAD", route, { method: "HEAD" }, 200],
    ["the documentation", `${route}/docs`, {}, 200],
  ] as const)("is on the answer to %s", async (_what, path, init, status) => {
    const answer = await send(path, init as RequestInit);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("x-request-id")).toBe(seen.lines.at(-1)!["id"]);
  });
});

describe("the log", () => {
  test("has one line a request, without its query, its body or its credentials", async () => {
    await send(`${route}/x?runId=r1&token=secret-1#secret-2`, {
      headers: { authorization: "Bearer secret-3", "x-api-key": "secret-4", cookie: "secret-5" },
    });
    await send(`${route}?token=secret-6`, post({ runners: "secret-7" }));
    expect(seen.lines).toHaveLength(2);
    expect(seen.lines[0]).toEqual({
      level: "info",
      message: "request",
      id: expect.any(String),
      method: "GET",
      path: `${route}/x`,
      status: 400,
      duration_ms: expect.any(Number),
      trace_id: expect.stringMatching(/^[\da-f]{32}$/),
    });
    expect(JSON.stringify(seen.lines)).not.toContain("secret");
  });

  test("names the run that a request has started, and the trace it came in", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const headers = { traceparent, "x-request-id": "req-9" };
    const answer = await send(route, post(requestFor(), headers));
    const { runId } = (await answer.json()) as { runId: string };
    await send(`${route}/greet`, post({ args: [] }, headers));
    const lines = seen.lines.map(({ message, id, run_id, workflow }) => [
      message,
      id,
      run_id,
      workflow,
    ]);
    expect(lines).toEqual([
      ["run submitted", "req-9", runId, "run"],
      ["request", "req-9", undefined, undefined],
      ["run submitted", "req-9", "wrun_other", "greet"],
      ["request", "req-9", undefined, undefined],
    ]);
    expect(seen.lines[1]).toMatchObject({ trace_id: "0af7651916cd43dd8448eb211c80319c" });
    const { options } = memory.of(runId);
    expect(options.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[\da-f]{16}-01$/);
    expect(options.traceparent).not.toBe(traceparent);
  });

  test.each(["GET", "HEAD"])(
    "tells what nobody foresaw of a %s, with the request's id",
    async (method) => {
      memory.service.workflowRuns.list = () => Promise.reject(new Error("the disk is gone"));
      const answer = await send(`${route}/runs`, { method, headers: { "x-request-id": "req-5" } });
      expect(answer.status).toBe(500);
      const errors = seen.lines.filter(({ level }) => level === "error");
      expect(errors).toMatchObject([
        { id: "req-5", message: "request failed", err: { message: "the disk is gone" } },
      ]);
      seen.lines.length = 0;
    },
  );
});

describe("the labels of a request", () => {
  test("are few, whatever is asked for", async () => {
    for (let i = 0; i < 50; i++) {
      await send(`${route}/run${i}`);
      await send(`${route}/run/id${i}/status`);
      await send(`${route}/a${i}/b/c/d`);
      await send(`/${i}`);
      await send(`${route}/greet`, { method: `M${i}` });
    }
    const labels = new Set(
      seen.requests.map(({ method, route, status }) => `${method} ${route} ${status}`),
    );
    expect([...labels].toSorted()).toEqual([
      `GET ${route}/:name 400`,
      `GET ${route}/run/:id/status 404`,
      "GET unmatched 404",
      `other ${route}/:name 405`,
    ]);
    for (const { seconds } of seen.requests) expect(seconds).toBeLessThan(60);
  });
});

describe("the routes for operators", () => {
  test("answer as WIRE 4 says", async () => {
    const health = await send(`${route}/health`);
    expect([health.status, await health.json()]).toEqual([
      200,
      { ok: true, service: "orchestrator" },
    ]);
    expect(await (await send(`${route}/ready`)).json()).toEqual({ ok: true });
    readiness = { ready: false, reason: "draining" };
    const unready = await send(`${route}/ready`);
    expect([unready.status, await unready.json()]).toEqual([503, { ok: false, error: "draining" }]);
    const metrics = await send(`${route}/metrics`);
    expect(metrics.headers.get("content-type")).toBe("text/plain; version=0.0.4");
    expect(await metrics.text()).toBe("up 1\n");
    expect((await send(`${route}/health`, { method: "HEAD" })).status).toBe(200);
    const wrong = await send(`${route}/metrics`, { method: "DELETE" });
    expect([wrong.status, wrong.headers.get("allow"), await wrong.json()]).toEqual([
      405,
      "GET, HEAD",
      { error: "Method not allowed. Use GET." },
    ]);
  });

  test("are at the root too, where the service is", async () => {
    for (const path of ["/health", "/ready", "/metrics"]) {
      expect((await send(path)).status).toBe(200);
      expect(seen.requests.at(-1)).toMatchObject({ route: path, status: 200 });
    }
  });

  test("leave their words to discovered workflows of these names", async () => {
    names = ["health", "metrics"];
    const health = (await (await send(`${route}/health`)).json()) as object;
    expect(health).toMatchObject({ name: "health", endpoint: `${route}/health` });
    expect(await (await send(`${route}/metrics`)).json()).toMatchObject({ name: "metrics" });
    expect(await (await send(`${route}/ready`)).json()).toEqual({ ok: true });
    expect(await (await send("/health")).json()).toMatchObject({ ok: true });
  });
});
