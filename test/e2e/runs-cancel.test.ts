import { expect, onTestFinished, test } from "vitest";
import { finished, startRun, until } from "../_support/api.ts";
import { workDir } from "../_support/app.ts";
import { type HeldServer, regionalRun, startHeldServer } from "../_support/held-server.ts";
import { type Orchestrator, startOrchestrator } from "../_support/orchestrator.ts";

const PATHS = ["fast", "slow-1", "slow-2", "later-1", "later-2"];

async function runnerServer(): Promise<HeldServer> {
  const server = await startHeldServer();
  onTestFinished(server.close);
  return server;
}

/** Cancels a run by a workflow of the app's own. */
async function cancel(server: Orchestrator, runId: string): Promise<void> {
  const canceller = await startRun(server.url, "cancel", { args: [runId] });
  expect((await finished(server.url, "cancel", canceller)).status).toBe(200);
}

function states(results: { jobs: { state: string }[] }): string[] {
  return results.jobs.map(({ state }) => state);
}

test.each(["embedded", "local"])(
  "cancel on the %s World: attempts in flight are aborted, what had not ended is cancelled, nothing more is sent",
  async (world) => {
    const runner = await runnerServer();
    const cwd = workDir();
    const env = world === "local" ? { WORKFLOW_TARGET_WORLD: "local" } : undefined;
    const server = await startOrchestrator(cwd, runner.url, env);
    const runId = await server.submit(regionalRun(PATHS, { concurrency: 2 }));
    await until(
      async () => (await server.api(`/${runId}/status`)).body.completedJobs === 1,
      5000,
      "the first job's end",
    );
    await until(() => runner.inFlight() === 2);
    await cancel(server, runId);
    const cancelledAt = Date.now();
    await until(() => runner.aborted.length === 2, 2000, "the end of the requests in flight");
    expect(Date.now() - cancelledAt).toBeLessThan(2000);

    const expected = ["completed", "cancelled", "cancelled", "cancelled", "cancelled"];
    const results = await server.ended(runId);
    expect(results.state).toBe("cancelled");
    expect(states(results)).toEqual(expected);
    expect(results.completedAt).toBeDefined();
    expect(results.summary).toEqual({ total: 1, passed: 1, failed: 0, errored: 0 });
    for (const job of results.jobs.slice(1)) expect(job.error).toBe("The run was cancelled");
    expect((await server.api("/runs?state=cancelled")).body.runs).toMatchObject([
      { id: runId, status: "canceled" },
    ]);

    runner.letGo();
    await server.stop("SIGKILL");
    const after = await startOrchestrator(cwd, runner.url, env);
    // A run that comes later shows that what was to be taken up has been.
    const next = await after.submit(regionalRun(["fast"]));
    expect((await after.ended(next)).state).toBe("completed");
    expect((await after.ended(runId)).state).toBe("cancelled");
    expect(await after.ended(runId)).toEqual(results);
    expect(runner.executes.map(({ body }) => body.url).toSorted()).toEqual(
      ["fast", "fast", "slow-1", "slow-2"].map((path) => `https://x.test/${path}`),
    );
  },
);

test("a run that is cancelled while the process is about to die is not taken up again", async () => {
  const runner = await runnerServer();
  const cwd = workDir();
  const server = await startOrchestrator(cwd, runner.url);
  const runId = await server.submit(regionalRun(PATHS, { concurrency: 1, tags: ["killed"] }));
  await until(() => runner.inFlight() === 1 && runner.executes.length === 2);
  await cancel(server, runId);
  await server.stop("SIGKILL");
  runner.letGo();
  const sent = runner.executes.length;
  const after = await startOrchestrator(cwd, runner.url);
  const results = await after.ended(runId);
  expect(results.state).toBe("cancelled");
  expect(states(results)).toEqual([
    "completed",
    "cancelled",
    "cancelled",
    "cancelled",
    "cancelled",
  ]);
  const next = await after.submit(regionalRun(["other"]));
  expect((await after.ended(next)).state).toBe("completed");
  expect(runner.executes.slice(sent).map(({ body }) => body.url)).toEqual(["https://x.test/other"]);
});

test("a job that waits for a server is cancelled too, and a run that has ended stays as it is", async () => {
  const runner = await runnerServer();
  const server = await startOrchestrator(workDir(), "http://127.0.0.1:9/api/runner");
  const waiting = await server.submit(regionalRun(["fast"]));
  await until(async () => {
    const { body } = await server.api(`/${waiting}`);
    return body.jobs[0].state !== "queued" || body.jobs[0].waiting !== undefined;
  });
  await cancel(server, waiting);
  const results = await server.ended(waiting);
  expect([results.state, ...states(results)]).toEqual(["cancelled", "cancelled"]);

  const other = await startOrchestrator(workDir(), runner.url);
  const done = await other.submit(regionalRun(["fast"]));
  const before = await other.ended(done);
  expect(before.state).toBe("completed");
  await startRun(other.url, "cancel", { args: [done] });
  const next = await other.submit(regionalRun(["fast"]));
  await other.ended(next);
  expect(await other.ended(done)).toEqual(before);
});
