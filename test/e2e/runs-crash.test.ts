import { afterEach, expect, inject, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";
import {
  type FakeRunnerServer,
  passing,
  type Received,
  startRunnerServer,
} from "../_support/runner-server.ts";

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const JOBS = 500;
const CONCURRENCY = 20;
/** Executions seen at the runner servers, at each of which the orchestrator is killed. */
const KILLED_AT = [15, 120, 250, 380, 485];

/** A runner server outside of the process that is killed, which takes its time and notes what came. */
async function runnerServer(executes: Received[]): Promise<FakeRunnerServer> {
  const server = await startRunnerServer(async (received, response) => {
    executes.push(received);
    await new Promise((resolve) => setTimeout(resolve, 5));
    passing(received, response);
  });
  stops.push(server.close);
  return server;
}

async function orchestrator(cwd: string, servers: FakeRunnerServer[]): Promise<TestServer> {
  const regions = Object.fromEntries(servers.map(({ url }, index) => [`r${index}`, url]));
  const server = await startServer(inject("fixtureOutput"), cwd, {
    PLAYWRIGHT_RUNNERS: JSON.stringify(regions),
  });
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

test("a run of 500 jobs, killed with -9 at five points: each answered once, at most those in flight sent again", async () => {
  const executes: Received[] = [];
  const servers = [await runnerServer(executes), await runnerServer(executes)];
  const cwd = workDir();
  let current = await orchestrator(cwd, servers);
  const { status, body } = await send(`${current.url}/api/orchestrator`, {
    mode: "remote",
    runId: "nightly",
    concurrency: CONCURRENCY,
    runners: Array.from({ length: JOBS }, (_, index) => ({
      name: "check",
      region: `r${index % 2}`,
      input: { url: `https://x.test/${index}` },
    })),
  });
  expect(status, JSON.stringify(body)).toBe(200);

  const resent: number[] = [];
  for (const point of KILLED_AT) {
    await until(() => distinct(executes) >= point, 20_000);
    await current.stop("SIGKILL");
    // What the killed process had sent may arrive a little later.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = executes.length;
    const known = new Set(executes.map(({ key }) => key));
    current = await orchestrator(cwd, servers);
    await until(() => distinct(executes) >= Math.min(point + 3 * CONCURRENCY, JOBS), 20_000);
    resent.push(executes.slice(before).filter(({ key }) => known.has(key)).length);
  }

  const results = await send(`${current.url}/api/orchestrator/nightly?wait=30`);
  expect(results.body).toMatchObject({
    state: "completed",
    outcome: "pass",
    summary: { total: JOBS, passed: JOBS, failed: 0, errored: 0 },
  });
  // None lost, all in order.
  const jobs = results.body.jobs as { url: string; jobId: string; state: string }[];
  expect(jobs.map(({ url }) => url)).toEqual(
    Array.from({ length: JOBS }, (_, index) => `https://x.test/${index}`),
  );
  // One key a job, whatever was sent again.
  const keys = new Map(executes.map(({ key, body: { url } }) => [key, url]));
  expect([...keys].toSorted()).toEqual(
    jobs.map(({ jobId, url }) => [`nightly/${jobId}`, url]).toSorted(),
  );
  for (const count of resent) expect(count).toBeLessThanOrEqual(CONCURRENCY);
  expect(executes.length).toBeLessThanOrEqual(JOBS + KILLED_AT.length * CONCURRENCY);
}, 90_000);

function distinct(executes: readonly Received[]): number {
  return new Set(executes.map(({ key }) => key)).size;
}
