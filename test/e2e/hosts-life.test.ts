import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { send } from "../_support/api.ts";
import { createApp, type TestServer, workDir } from "../_support/app.ts";
import { knowing, resultsOf, startHost, submit } from "../_support/hosts.ts";
import { type FakeRunnerServer, startRunnerServer } from "../_support/runner-server.ts";

const stops: (() => Promise<unknown>)[] = [];
let runner: FakeRunnerServer;

beforeEach(async () => {
  runner = await startRunnerServer();
  stops.push(runner.close);
});

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A `node:http` server that answers `/end` by closing itself, and everything else with `handler`. */
async function startScript(
  lines: { before?: string; handler: string },
  env: Record<string, string> = {},
): Promise<TestServer> {
  const source = `
${lines.before ?? ""}
import { createServer } from "node:http";
import { createOrchestratorHandler, toNodeListener } from "@runners/orchestrator/http";
import { InMemoryServerRegistry, RoundRobinLoadBalancer } from "@runners/orchestrator";

const runners = { statusTest: async () => ({ status: "pass" }) };
const handler = ${lines.handler};
const listener = toNodeListener(handler);
const server = createServer((request, response) => {
  if (request.url === "/mine") return response.end("{}");
  if (request.url !== "/end") return listener(request, response);
  response.setHeader("connection", "close").end("{}");
  server.close(() => console.log("server closed"));
}).listen(Number(process.env.PORT), "127.0.0.1", () => {
  console.log(\`Listening on http://127.0.0.1:\${server.address().port}/\`);
});
`;
  const app = await createApp({ files: { "host.mjs": source } });
  stops.push(app.remove);
  const server = await startHost(join(app.dir, "host.mjs"), workDir(), env);
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

test("a handler that nobody closes does not keep the process once its server is closed", async () => {
  const server = await startScript(
    { handler: "createOrchestratorHandler({ healthCheck: { interval: 100 } })" },
    knowing(runner),
  );
  const base = `${server.url}/api/orchestrator`;
  const runId = await submit(base, "remote", "https://example.com");
  await resultsOf(base, runId);
  await expect
    .poll(() => runner.requests.filter((line) => line.startsWith("GET")).length)
    .toBeGreaterThan(1);
  const exit = once(server.child, "exit", { signal: AbortSignal.timeout(5000) });
  await send(`${server.url}/end`);
  expect(await exit).toEqual([0, null]);
  expect(server.output()).toContain("server closed");
});

test("it works where the app has loaded the engine itself before", async () => {
  const server = await startScript({
    before: 'import "workflow/api";\nimport { getWorld } from "workflow/runtime";\nvoid getWorld;',
    handler: "createOrchestratorHandler({ runners })",
  });
  const base = `${server.url}/api/orchestrator`;
  const runId = await submit(base, "local", "https://example.com");
  expect((await resultsOf(base, runId)).body.summary).toMatchObject({ total: 1, passed: 1 });
});

test("where the store is in use it says so, leaves the host alone, and starts when it can", async () => {
  const dataDir = workDir();
  const handler = `createOrchestratorHandler({ runners, dataDir: ${JSON.stringify(dataDir)} })`;
  const first = await startScript({ handler });
  await submit(`${first.url}/api/orchestrator`, "local", "https://example.com");
  const second = await startScript({ handler });
  const base = `${second.url}/api/orchestrator`;
  const refused = await send(base);
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("5");
  expect(refused.body).toEqual({ error: "The orchestrator cannot start; its log says why" });
  await second.printed(/cannot start: .*is in use by process \d+/);
  expect((await send(`${base}/health`)).status).toBe(200);
  const ready = await send(`${base}/ready`);
  expect(ready.status).toBe(503);
  expect(ready.body.error).toMatch(/cannot start: .*is in use by process \d+/);
  expect((await send(`${second.url}/mine`)).status).toBe(200);
  await first.stop("SIGKILL");
  await expect.poll(async () => (await send(base)).status, { timeout: 15_000 }).toBe(200);
  expect((await send(`${base}/ready`)).status).toBe(200);
});

test("a variable that cannot be read is told on stderr and as 503", async () => {
  const server = await startScript(
    { handler: "createOrchestratorHandler()" },
    { PLAYWRIGHT_RUNNERS: "eu=http://127.0.0.1" },
  );
  expect((await send(`${server.url}/api/orchestrator`)).status).toBe(503);
  await server.printed(/\[orchestrator\] cannot start: PLAYWRIGHT_RUNNERS/);
  expect((await send(`${server.url}/mine`)).status).toBe(200);
});

test("a registry and a balancer of the caller's own are used", async () => {
  const servers = [{ id: "mine", url: runner.url, region: "eu" }];
  const server = await startScript({
    handler: `createOrchestratorHandler({
  route: "",
  registry: new InMemoryServerRegistry({ servers: ${JSON.stringify(servers)} }),
  loadBalancer: new (class extends RoundRobinLoadBalancer {
    select(...args) {
      console.log("asked the balancer");
      return super.select(...args);
    }
  })(),
})`,
  });
  const runId = await submit(server.url, "remote", "https://example.com");
  expect((await resultsOf(server.url, runId)).body.jobs).toMatchObject([{ server: "mine" }]);
  expect((await send(`${server.url}/spec.json`)).body.openapi).toMatch(/^3\.1/);
  expect(server.output()).toContain("asked the balancer");
});

test("handlers of one process share its orchestrator, and the last one closed closes it", async () => {
  const server = await startScript({
    before: "const paths = [];",
    handler: `(() => {
  const one = createOrchestratorHandler({ runners });
  const two = createOrchestratorHandler({ runners });
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/close-one") await one.close();
    else if (pathname === "/close-two") await two.close();
    else return (request.headers.get("x-one") ? one : two)({ req: request });
    return Response.json({});
  };
})()`,
  });
  const base = `${server.url}/api/orchestrator`;
  const runId = await submit(base, "local", "https://example.com");
  await resultsOf(base, runId);
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await send(`${base}/${runId}`, undefined, { headers })).status;
  expect(await status({ "x-one": "1" })).toBe(200);
  await send(`${server.url}/close-one`);
  expect(await status({ "x-one": "1" })).toBe(503);
  expect(await status({})).toBe(200);
  await send(`${server.url}/close-two`);
  expect(await status({})).toBe(503);
  expect((await send(`${base}/health`)).status).toBe(200);
  const ready = await send(`${base}/ready`);
  expect(ready).toMatchObject({ status: 503, body: { error: "The orchestrator has been closed" } });
  expect(server.output()).not.toContain("other options");
});

test("one made right after another was closed starts when that one has ended", async () => {
  const server = await startScript({
    handler: `(() => {
  let current = createOrchestratorHandler({ runners });
  return async (request) => {
    if (!request.url.endsWith("/again")) return current(request);
    void current.close();
    current = createOrchestratorHandler({ runners });
    return Response.json({});
  };
})()`,
  });
  const base = `${server.url}/api/orchestrator`;
  for (let round = 0; round < 3; round++) {
    const runId = await submit(base, "local", "https://example.com");
    expect((await resultsOf(base, runId)).body.state).toBe("completed");
    await send(`${server.url}/again`);
    expect((await send(`${base}/${runId}`)).status).toBe(200);
  }
  expect(server.output()).not.toMatch(/other options|cannot start/);
});

test("one made later with other options takes the place of the one before", async () => {
  const server = await startScript({
    handler: `(() => {
  const old = createOrchestratorHandler({ dataDir: "old" });
  const young = createOrchestratorHandler({ dataDir: "young", runners });
  return (request) => (request.headers.get("x-old") ? old : young)(request);
})()`,
  });
  await server.printed(/called again with other options/);
  const base = `${server.url}/api/orchestrator`;
  const runId = await submit(base, "local", "https://example.com");
  await resultsOf(base, runId);
  const old = await send(`${base}/${runId}`, undefined, { headers: { "x-old": "1" } });
  expect(old).toMatchObject({ status: 200, body: { runId } });
});

test("a long poll is answered when the handler is closed", async () => {
  const slow = await startRunnerServer(() => undefined);
  stops.push(slow.close);
  const server = await startScript(
    {
      handler: `(() => {
  const handler = createOrchestratorHandler({ shutdown: { timeout: 200 } });
  process.once("SIGTERM", async () => {
    await handler.close();
    server.close(() => process.exit());
  });
  return handler;
})()`,
    },
    knowing(slow),
  );
  const base = `${server.url}/api/orchestrator`;
  const runId = await submit(base, "remote", "https://example.com");
  await expect.poll(() => slow.executes.length).toBe(1);
  const poll = send(`${base}/run?runId=${runId}&wait=60`);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await server.stop("SIGTERM")).toBe(0);
  expect((await poll).status).toBe(202);
  expect(server.output()).not.toMatch(/error/i);
});
