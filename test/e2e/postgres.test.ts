import { afterAll, afterEach, beforeAll, expect, inject, test } from "vitest";
import { finished, send, startRun } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";
import { startPostgres, type TestPostgres } from "../_support/postgres.ts";

let postgres: TestPostgres;
const servers: TestServer[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop("SIGKILL")));
});

afterAll(() => postgres.stop());

async function start(): Promise<TestServer> {
  const server = await startServer(inject("fixtureOutput"), workDir(), {
    WORKFLOW_TARGET_WORLD: "@workflow/world-postgres",
    WORKFLOW_POSTGRES_URL: postgres.url,
  });
  servers.push(server);
  return server;
}

test("the World that WORKFLOW_TARGET_WORLD names is started, and its messages need no open route", async () => {
  const server = await start();
  const runId = await startRun(server.url, "greet", { input: { name: "Ada" } });
  const { status, body } = await finished(server.url, "greet", runId);
  expect({ status, body }).toEqual({ status: 200, body: { greeting: "Hello, Ada!", times: 1 } });
  const forged = await send(`${server.url}/.well-known/workflow/v1/flow`, {});
  expect(forged.status).toBe(403);
});

test("SIGTERM ends the process", async () => {
  const server = await start();
  await startRun(server.url, "nap", { args: [60_000] });
  expect(await server.stop("SIGTERM")).toBe(0);
});
