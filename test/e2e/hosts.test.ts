import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { send } from "../_support/api.ts";
import { createApp, root, startServer, type TestApp, type TestServer } from "../_support/app.ts";
import { knowing, resultsOf, startHost, submit } from "../_support/hosts.ts";
import { type FakeRunnerServer, passing, startRunnerServer } from "../_support/runner-server.ts";

const stops: (() => Promise<unknown>)[] = [];
let runner: FakeRunnerServer;

beforeAll(async () => {
  runner = await startRunnerServer();
});

afterAll(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await runner.close();
});

/** An example in a folder of its own, with the built package as its dependency. */
async function exampleApp(name: string): Promise<TestApp> {
  const app = await createApp({ from: join(root, "examples", name) });
  stops.push(app.remove);
  return app;
}

async function startExample(name: string, env?: Record<string, string>): Promise<TestServer> {
  const { dir } = await exampleApp(name);
  const server = await startHost(join(dir, "server.mjs"), dir, { ...knowing(runner), ...env });
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

/** Sends a run of each mode and reads what came of it. */
async function usesBothModes(base: string): Promise<void> {
  const local = await submit(base, "local", `${runner.url}/info`);
  expect((await resultsOf(base, local)).body).toMatchObject({
    state: "completed",
    jobs: [{ server: "local", results: [{ name: "statusTest", status: "pass" }] }],
    summary: { total: 1, passed: 1 },
  });
  const remote = await submit(base, "remote", "https://example.com");
  expect((await resultsOf(base, remote)).body).toMatchObject({
    state: "completed",
    jobs: [{ region: "eu", results: [{ name: "statusTest", status: "pass" }] }],
    summary: { total: 1, passed: 1 },
  });
  expect(runner.executes.at(-1)!.body).toMatchObject({ region: "eu", runId: remote });
}

describe.each(["node-http", "express", "hono"])("the example for %s", (name) => {
  test("executes runs here and on runner servers, and ends by itself when it is told to", async () => {
    const server = await startExample(name);
    const base = `${server.url}/api/orchestrator`;
    await usesBothModes(base);
    expect((await send(base)).body.orchestrators).toEqual(["run"]);
    expect((await send(`${base}/nothing/of/this/kind`)).status).toBe(404);
    expect(await server.stop("SIGTERM")).toBe(0);
    expect(server.output()).not.toMatch(/error/i);
  });
});

describe("the example for nitro", () => {
  test(
    "serves the app's one orchestrator below a path of its own, built and in dev",
    { timeout: 120_000 },
    async () => {
      const app = await exampleApp("nitro");
      const { code, output } = await app.build();
      expect(code, output).toBe(0);
      const env = knowing(runner);
      const server = await startServer(join(app.dir, ".output"), join(app.dir, "cwd"), env);
      stops.push(() => server.stop("SIGKILL"));
      await servesOneContext(server);
      expect(await server.stop("SIGTERM")).toBe(0);

      const dev = await app.dev(env);
      stops.push(() => dev.stop("SIGKILL"));
      await servesOneContext(dev);
    },
  );

  async function servesOneContext({ url }: TestServer): Promise<void> {
    await usesBothModes(`${url}/checks`);
    const runId = await submit(`${url}/api/orchestrator`, "local", `${runner.url}/info`);
    expect((await resultsOf(`${url}/checks`, runId)).body).toMatchObject({ runId });
  }
});

test("a Nitro app without the module is a host like any other", async () => {
  const app = await createApp({
    files: {
      "nitro.config.ts": `import { defineConfig } from "nitro";
export default defineConfig({ serverDir: "./" });
`,
      "routes/api/orchestrator/[...path].ts": `import { createOrchestratorHandler } from "@runners/orchestrator";

const handler = createOrchestratorHandler();

// Use with any framework
export default handler;
`,
    },
  });
  stops.push(app.remove);
  const { code, output } = await app.build();
  expect(code, output).toBe(0);
  const env = knowing(runner);
  const server = await startServer(join(app.dir, ".output"), join(app.dir, "cwd"), env);
  stops.push(() => server.stop("SIGKILL"));
  const base = `${server.url}/api/orchestrator/run`;
  const runId = await submit(base, "remote", "https://example.com");
  expect((await resultsOf(base, runId)).body).toMatchObject({ summary: { passed: 1 } });
});

test("a run in flight goes on after kill -9 and a restart of a plain node:http host", async () => {
  let silent = true;
  const slow = await startRunnerServer((received, response) => {
    if (!silent) return passing(received, response);
  });
  stops.push(slow.close);
  const { dir } = await exampleApp("node-http");
  const script = join(dir, "server.mjs");
  const first = await startHost(script, dir, knowing(slow));
  const runId = await submit(`${first.url}/api/orchestrator`, "remote", "https://example.com");
  await expect.poll(() => slow.executes.length, { timeout: 10_000 }).toBe(1);
  await first.stop("SIGKILL");
  silent = false;

  const second = await startHost(script, dir, knowing(slow));
  stops.push(() => second.stop("SIGKILL"));
  // Nobody asks for it: the host takes up what is there as soon as it starts.
  await expect.poll(() => slow.executes.length, { timeout: 20_000 }).toBe(2);
  const { body } = await resultsOf(`${second.url}/api/orchestrator`, runId);
  expect(body).toMatchObject({ runId, state: "completed", summary: { passed: 1 } });
  expect(new Set(slow.executes.map(({ key }) => key)).size).toBe(1);
});
