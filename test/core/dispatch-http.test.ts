import { expect, test } from "vitest";
import { createDispatcher, type Dispatcher } from "../../src/core/dispatch.ts";
import { createLeases } from "../../src/core/leases.ts";
import { createLoadBalancer } from "../../src/core/load-balancer.ts";
import { InMemoryServerRegistry } from "../../src/core/server-registry.ts";
import { createHttpExecutor } from "../../src/executors/http.ts";
import type { JobResult } from "../../src/types/run.ts";
import { type Answer, deadUrl, json, pass, serve, serveRaw } from "../executors/server.ts";

function setup(urls: Record<string, string>, execution = {}) {
  const servers = Object.entries(urls).map(([id, url]) => ({ id, url, region: "eu" }));
  const registry = new InMemoryServerRegistry({
    servers,
    circuit: { failures: 2, cooldown: 60_000 },
  });
  const leases = createLeases();
  const dispatcher = createDispatcher({
    registry,
    leases,
    loadBalancer: createLoadBalancer("least-load"),
    executor: createHttpExecutor(),
    execution: { attempts: 3, timeout: 5000, wait: 5000, ...execution },
    // No waiting in backoffs.
    random: () => 0,
  });
  return { dispatcher, registry, leases };
}

const job = { url: "https://x.test", runners: ["a"] };

function run(dispatcher: Dispatcher, jobId = "j1"): Promise<JobResult> {
  return dispatcher.execute({ id: "bad" }, job, { runId: "r1", jobId });
}

test.each<[string, string, Answer]>([
  ["dies mid-request", "SERVER_UNREACHABLE", (response) => response.socket!.destroy()],
  ["hangs", "SERVER_TIMEOUT", () => {}],
  [
    "answers 500 with a page",
    "SERVER_ERROR",
    (response) => response.writeHead(500).end("<h1>Oops</h1>"),
  ],
  [
    "answers 503 and when to come back",
    "SERVER_ERROR",
    (response) => response.writeHead(503, { "retry-after": "3600" }).end(),
  ],
  ["answers something else", "INVALID_RESPONSE", (response) => response.end("hello")],
  ["is not set up", "SERVER_REJECTED", (response) => response.writeHead(404).end()],
])("a job of a server that %s moves on at once and tells of it", async (_, code, answer) => {
  const bad = await serve(answer);
  const good = await serve(pass());
  const { dispatcher } = setup({ bad: bad.url, good: good.url }, { timeout: 200 });
  const result = await run(dispatcher);
  expect(result).toMatchObject({
    server: "good",
    results: [{ name: "a", status: "pass" }],
    attempts: [
      { number: 1, server: "bad", outcome: "failed", error: { code } },
      { number: 2, server: "good", outcome: "answered" },
    ],
  });
  expect([bad.requests.length, good.requests.length]).toEqual([1, 1]);
});

test.each([
  ["a Content-Length it does not keep", "Content-Length: 1000\r\n\r\n{}"],
  ["chunks that break off", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"],
])("a job half answered, with %s, moves on", async (_, rest) => {
  const bad = await serveRaw((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
    setTimeout(() => socket.destroy(), 10);
  });
  const good = await serve(pass());
  const { dispatcher } = setup({ bad: bad.url, good: good.url });
  expect(await run(dispatcher)).toMatchObject({
    server: "good",
    attempts: [{ error: { code: "SERVER_UNREACHABLE" } }, { outcome: "answered" }],
  });
});

test("every attempt sends the same key and its own number", async () => {
  const bad = await serve((response) => response.writeHead(500).end());
  const good = await serve(pass());
  const { dispatcher } = setup({ bad: bad.url, good: good.url });
  await run(dispatcher);
  expect([...bad.requests, ...good.requests].map(({ headers }) => headers)).toMatchObject([
    { "idempotency-key": "r1/j1", "x-attempt": "1" },
    { "idempotency-key": "r1/j1", "x-attempt": "2" },
  ]);
});

test.each<[string, Answer]>([
  [
    "RUNNER_NOT_FOUND",
    (response) => json(response, { code: "RUNNER_NOT_FOUND", message: "m" }, 500),
  ],
  [
    "INPUT_VALIDATION_FAILED",
    (response) => json(response, { json: { code: "INPUT_VALIDATION_FAILED", message: "m" } }, 500),
  ],
  [
    "EXECUTION_FAILED",
    (response) => json(response, { code: "EXECUTION_FAILED", message: "m" }, 500),
  ],
  ["SERVER_REJECTED", (response) => json(response, { message: "m" }, 400)],
  ["RESPONSE_TOO_LARGE", (response) => response.end("x".repeat(10_000_000))],
])(
  "a job answered with %s is executed exactly once, and its server stays in use",
  async (code, answer) => {
    const bad = await serve(answer);
    const good = await serve(pass());
    const { dispatcher, registry } = setup({ bad: bad.url, good: good.url });
    for (const jobId of ["j1", "j2", "j3"]) {
      await expect(run(dispatcher, jobId)).rejects.toMatchObject({
        code,
        data: { attempts: [{}] },
      });
    }
    expect([bad.requests.length, good.requests.length]).toEqual([3, 0]);
    expect((await registry.list())[0]).toMatchObject({ circuit: "closed" });
  },
);

test("ten slow jobs on two servers of a region are five on each", async () => {
  const [one, two] = [await serve(pass(50)), await serve(pass(50))];
  const { dispatcher, leases } = setup({ one: one.url, two: two.url });
  await Promise.all(
    Array.from({ length: 10 }, async (_, n) => {
      const server = await dispatcher.select(undefined, { region: "eu" });
      return dispatcher.execute(server, job, { runId: "r1", jobId: `j${n}` });
    }),
  );
  expect([one.requests.length, two.requests.length]).toEqual([5, 5]);
  expect([leases.count("one"), leases.count("two")]).toEqual([0, 0]);
});

test("a dead server gets nothing once its circuit is open, and the others share its jobs", async () => {
  const [one, two] = [await serve(pass(50)), await serve(pass(50))];
  const { dispatcher, registry } = setup({ bad: await deadUrl(), one: one.url, two: two.url });
  await run(dispatcher, "first");
  await run(dispatcher, "second");
  expect((await registry.list())[0]).toMatchObject({ id: "bad", circuit: "open" });
  const before = one.requests.length + two.requests.length;
  const results = await Promise.all(
    Array.from({ length: 10 }, async (_, n) => {
      const server = await dispatcher.select(undefined, { region: "eu" });
      return dispatcher.execute(server, job, { runId: "r1", jobId: `j${n}` });
    }),
  );
  const tried = results.flatMap(({ attempts }) => attempts.map(({ server }) => server));
  expect(before).toBe(2);
  expect(tried.filter((id) => id === "one")).toHaveLength(5);
  expect(tried.filter((id) => id === "two")).toHaveLength(5);
});

test("ten jobs placed before anyone knew of a dead server all get through", async () => {
  const [one, two] = [await serve(pass(50)), await serve(pass(50))];
  const { dispatcher } = setup({ bad: await deadUrl(), one: one.url, two: two.url });
  const places = await Promise.all(Array.from({ length: 10 }, () => dispatcher.select(undefined)));
  const results = await Promise.all(
    places.map((server, n) => dispatcher.execute(server, job, { runId: "r1", jobId: `j${n}` })),
  );
  expect(results.map(({ server }) => server)).not.toContain("bad");
  expect([one.requests.length, two.requests.length]).toEqual([5, 5]);
});

test("a server that comes back is used again after its cool-down", async () => {
  let well = false;
  const server = await serve((response, received) =>
    well ? pass()(response, received) : response.writeHead(500).end(),
  );
  const registry = new InMemoryServerRegistry({
    servers: [{ id: "bad", url: server.url, region: "eu" }],
    circuit: { failures: 1, cooldown: 50 },
  });
  const dispatcher = createDispatcher({
    registry,
    leases: createLeases(),
    loadBalancer: createLoadBalancer("least-load"),
    executor: createHttpExecutor(),
    execution: { attempts: 1, timeout: 5000, wait: 5000 },
  });
  await expect(run(dispatcher, "j1")).rejects.toMatchObject({ code: "ATTEMPTS_EXHAUSTED" });
  well = true;
  expect(await run(dispatcher, "j2")).toMatchObject({ server: "bad" });
  expect((await registry.list())[0]).toMatchObject({ circuit: "closed" });
});

test("fifty jobs of one run share its signal, and an abort ends them all", async () => {
  const server = await serve(() => {});
  const { dispatcher, leases } = setup({ one: server.url });
  const warnings: Error[] = [];
  const warn = (warning: Error) => void warnings.push(warning);
  process.on("warning", warn);
  const abort = new AbortController();
  const jobs = Array.from({ length: 50 }, (_, n) =>
    dispatcher.execute({ id: "one" }, job, { runId: "r", jobId: `j${n}`, signal: abort.signal }),
  );
  const settled = Promise.allSettled(jobs);
  while (server.requests.length < 50) await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort(new Error("cancelled"));
  expect(
    (await settled).every((one) => one.status === "rejected" && one.reason.message === "cancelled"),
  ).toBe(true);
  expect(leases.count("one")).toBe(0);
  process.off("warning", warn);
  expect(warnings.filter(({ name }) => name === "MaxListenersExceededWarning")).toEqual([]);
});
