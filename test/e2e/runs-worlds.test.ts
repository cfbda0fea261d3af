import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { until } from "../_support/api.ts";
import { workDir } from "../_support/app.ts";
import { type HeldServer, regionalRun, startHeldServer } from "../_support/held-server.ts";
import { type Orchestrator, startOrchestrator } from "../_support/orchestrator.ts";
import { startReceiver } from "../_support/receiver.ts";
import { startPostgres, type TestPostgres } from "../_support/postgres.ts";

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(() => postgres.stop());

const envs: Record<string, () => Record<string, string>> = {
  local: () => ({ WORKFLOW_TARGET_WORLD: "local" }),
  postgres: () => ({
    WORKFLOW_TARGET_WORLD: "@workflow/world-postgres",
    WORKFLOW_POSTGRES_URL: postgres.url,
  }),
};

async function runnerServer(): Promise<HeldServer> {
  const server = await startHeldServer();
  onTestFinished(server.close);
  return server;
}

function paths(count: number, name: string): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index}`);
}

describe.each(Object.keys(envs))("on the World %s", (world) => {
  const start = (cwd: string, runner: HeldServer): Promise<Orchestrator> =>
    startOrchestrator(cwd, runner.url, envs[world]!());

  test("a run over regions is submitted, followed, read and found by its tag", async () => {
    const runner = await runnerServer();
    const server = await start(workDir(), runner);
    const jobs = [...paths(3, "fast"), "slow"];
    const runId = await server.submit(
      regionalRun(jobs, { runId: `${world}.own~id`, tags: [world, "smoke"] }),
    );
    expect(runId).toBe(`${world}.own~id`);

    await until(async () => (await server.api(`/${runId}/status`)).body.completedJobs === 3);
    expect((await server.api(`/${runId}/status`)).body).toMatchObject({
      runId,
      state: "running",
      totalJobs: 4,
      failedJobs: 0,
      tags: [world, "smoke"],
    });
    expect((await server.api(`/runs?tag=${world}&state=running`)).body.runs).toMatchObject([
      {
        id: runId,
        workflow: "run",
        mode: "remote",
        status: "running",
        state: "running",
        tags: [world, "smoke"],
      },
    ]);
    const began = Date.now();
    const waiting = server.ended(runId);
    runner.letGo();
    const results = await waiting;
    expect(Date.now() - began).toBeLessThan(3000);
    expect(results).toMatchObject({
      runId,
      state: "completed",
      outcome: "pass",
      summary: { total: 4, passed: 4, failed: 0, errored: 0 },
    });
    expect(results.jobs.map(({ url }: { url: string }) => url)).toEqual(
      jobs.map((path) => `https://x.test/${path}`),
    );
    for (const job of results.jobs) expect(job).toMatchObject({ region: "eu", server: "eu" });
    expect((await server.api(`/runs?tag=${world}`)).body.runs).toMatchObject([
      { id: runId, status: "completed" },
    ]);
    expect((await server.api("/runs?tag=nobody")).body.runs).toEqual([]);
  });

  test("several shards keep to the run's concurrency, and send each job once", async () => {
    const runner = await runnerServer();
    const server = await start(workDir(), runner);
    const jobs = [...paths(40, "a"), "slow-1", ...paths(79, "b")];
    const runId = await server.submit(regionalRun(jobs, { concurrency: 3 }));
    await until(
      async () => (await server.api(`/${runId}/status`)).body.completedJobs === 119,
      20_000,
    );
    // The shards that have ended have had the run replayed, which queues the one that goes on again.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    runner.letGo();
    expect(await server.ended(runId)).toMatchObject({
      state: "completed",
      summary: { total: 120, passed: 120 },
    });
    expect(runner.peak()).toBeLessThanOrEqual(3);
    expect(runner.executes).toHaveLength(120);
  });

  test("a run's end is told, also where the process that took the callback was killed", async () => {
    const runner = await runnerServer();
    const receiver = await startReceiver();
    onTestFinished(receiver.close);
    const cwd = workDir();
    const allowing = { ...envs[world]!(), ORCHESTRATOR_CALLBACK_HOSTS: "127.0.0.1" };
    const startHere = (): Promise<Orchestrator> => startOrchestrator(cwd, runner.url, allowing);
    const before = await startHere();
    const submitTo = async (server: Orchestrator, path: string): Promise<string> => {
      const callback = { url: `${receiver.url}/${path}` };
      const { body } = await server.api("/runs", { ...regionalRun([path]), callback });
      return body.runId as string;
    };
    const quick = await submitTo(before, "quick");
    await until(() => receiver.at("/quick").length > 0);
    const slow = await submitTo(before, "slow");
    await until(() => runner.inFlight() === 1);
    await before.stop("SIGKILL");
    await startHere();
    await until(() => runner.inFlight() === 1);
    runner.letGo();
    await until(() => receiver.at("/slow").length > 0, 20_000);
    for (const [path, id] of Object.entries({ quick, slow })) {
      const { headers, body } = receiver.at(`/${path}`)[0]!;
      expect(headers["webhook-id"]).toBe(`msg_${id}`);
      expect(body).toMatchObject({
        type: "run.completed",
        data: { run: { id, status: "completed" }, results: { outcome: "pass", totalJobs: 1 } },
      });
    }
  });

  test("a run goes on after a kill -9, and its journal is complete", async () => {
    const runner = await runnerServer();
    const cwd = workDir();
    const before = await start(cwd, runner);
    const jobs = [...paths(30, "done"), "slow-1", "slow-2", ...paths(8, "later")];
    const runId = await before.submit(regionalRun(jobs, { concurrency: 2, tags: ["killed"] }));
    await until(() => runner.inFlight() === 2, 20_000);
    await until(async () => {
      const { completedJobs } = (await before.api(`/${runId}/status`)).body;
      return completedJobs === new Set(runner.executes.map(({ key }) => key)).size - 2;
    });
    await before.stop("SIGKILL");
    const sent = runner.executes.length;
    const known = new Set(runner.executes.map(({ key }) => key));
    const after = await start(cwd, runner);
    await until(() => runner.inFlight() === 2, 20_000);
    runner.letGo();
    const results = await after.ended(runId);
    expect(results).toMatchObject({
      state: "completed",
      outcome: "pass",
      summary: { total: 40, passed: 40 },
    });
    expect(new Set(results.jobs.map(({ state }: { state: string }) => state))).toEqual(
      new Set(["completed"]),
    );
    // Only what was in flight is sent a second time.
    const again = runner.executes.slice(sent).filter(({ key }) => known.has(key));
    expect(again).toHaveLength(2);
    expect(new Set(runner.executes.map(({ key }) => key)).size).toBe(40);
    expect(await after.ended(runId)).toEqual(results);
  });
});
