import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { send, until } from "../_support/api.ts";
import type { TestServer } from "../_support/app.ts";
import { createFleet, regions } from "../_support/fleet.ts";
import { startPostgres, type TestPostgres } from "../_support/postgres.ts";
import { passing, type Received } from "../_support/runner-server.ts";
import { startService } from "../_support/service.ts";

let postgres: TestPostgres;
const fleet = createFleet();
const services: TestServer[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
});

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop("SIGKILL")));
  await fleet.stop();
});

afterAll(() => postgres.stop());

/** Starts a service on the database, as compose.yaml does. */
async function start(env: Record<string, string>): Promise<TestServer> {
  const service = await startService({
    args: ["--shutdown-timeout", "200"],
    env: {
      WORKFLOW_TARGET_WORLD: "@workflow/world-postgres",
      WORKFLOW_POSTGRES_URL: postgres.url,
      ...env,
    },
  });
  services.push(service);
  return service;
}

test("on Postgres, what one service hands back when it ends is taken up by another that runs", async () => {
  const held: [Received, ServerResponse][] = [];
  let open = false;
  const runner = await fleet.runnerServer((received, response) => {
    if (open) passing(received, response);
    else held.push([received, response]);
  });
  const [one, other] = [await start(regions({ eu: runner })), await start(regions({ eu: runner }))];
  const runIds: string[] = [];
  for (let number = 0; number < 6; number++) {
    const runners = [{ name: "check", region: "eu", input: { url: `https://x.test/${number}` } }];
    const { status, body } = await send(`${one.url}/runs?mode=remote`, { runners });
    expect(status).toBe(201);
    runIds.push(body.runId as string);
  }
  await until(() => held.length === 6);

  const startedAt = performance.now();
  expect(await one.stop("SIGTERM")).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(4000);
  open = true;
  for (const [received, response] of held) passing(received, response);
  for (const runId of runIds) {
    await until(async () => {
      const { body } = await send(`${other.url}/runs/${runId}`);
      return body.run.status === "completed";
    }, 15_000);
    const { body } = await send(`${other.url}/api/orchestrator/${runId}`);
    expect(body).toMatchObject({ summary: { total: 1, passed: 1 } });
  }
  // Each job has one key, however often it was sent.
  expect(new Set(runner.executes.map(({ key }) => key)).size).toBe(6);
  expect(await other.stop("SIGTERM")).toBe(0);

  // What has ended goes at the start of one that keeps nothing so old.
  const brief = await start({ ORCHESTRATOR_RETENTION: "1ms" });
  await until(async () => {
    const answers = await Promise.all(runIds.map((runId) => send(`${brief.url}/runs/${runId}`)));
    return answers.every(({ status }) => status === 404);
  });
  await expect(start({ ORCHESTRATOR_RETENTION: "soon" })).rejects.toThrow(
    'ORCHESTRATOR_RETENTION must be a duration such as 30d (got "soon")',
  );
});
