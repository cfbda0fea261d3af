import { onTestFinished, expect, test } from "vitest";
import { until } from "../_support/api.ts";
import { workDir } from "../_support/app.ts";
import { type HeldServer, regionalRun, startHeldServer } from "../_support/held-server.ts";
import { startOrchestrator } from "../_support/orchestrator.ts";

async function runnerServer(): Promise<HeldServer> {
  const server = await startHeldServer();
  onTestFinished(server.close);
  return server;
}

/** Jobs as `state` by the path of their URL. */
function states(results: { jobs: { url: string; state: string }[] }): Record<string, string> {
  return Object.fromEntries(results.jobs.map(({ url, state }) => [new URL(url).pathname, state]));
}

test("a run's timeout closes what is in flight, begins nothing more and keeps what was answered", async () => {
  const runner = await runnerServer();
  const server = await startOrchestrator(workDir(), runner.url);
  const began = Date.now();
  const runId = await server.submit(
    regionalRun(["fast", "slow-1", "slow-2", "later-1", "later-2"], {
      concurrency: 2,
      timeout: 1500,
    }),
  );
  await until(() => runner.executes.length === 3);
  const results = await server.ended(runId);
  const took = Date.now() - began;
  expect(took).toBeGreaterThanOrEqual(1400);
  expect(took).toBeLessThan(4000);
  expect(results).toMatchObject({ state: "timed_out", outcome: "fail" });
  expect(states(results)).toEqual({
    "/fast": "completed",
    "/slow-1": "timed_out",
    "/slow-2": "timed_out",
    "/later-1": "timed_out",
    "/later-2": "timed_out",
  });
  expect(results.jobs[0].results).toEqual([{ name: "check", status: "pass", durationMs: 1 }]);
  for (const job of results.jobs.slice(1)) expect(job.error).toBe("The run's timeout passed");
  await until(() => runner.aborted.length === 2, 2000, "the end of the requests in flight");
  expect(runner.executes).toHaveLength(3);
  expect((await server.api(`/${runId}/status`)).body).toMatchObject({
    state: "timed_out",
    completedJobs: 1,
    failedJobs: 4,
  });
});

test("a deadline that passes while the process is dead holds: nothing more is sent", async () => {
  const runner = await runnerServer();
  const cwd = workDir();
  const before = await startOrchestrator(cwd, runner.url);
  const runId = await before.submit(
    regionalRun(["fast", "slow-1", "later"], { concurrency: 1, timeout: 2000, runId: "over" }),
  );
  await until(
    async () => (await before.api(`/${runId}/status`)).body.completedJobs === 1,
    1500,
    "the first job's end",
  );
  await until(() => runner.executes.length === 2);
  await before.stop("SIGKILL");
  // The deadline itself is what is waited for.
  await new Promise((resolve) => setTimeout(resolve, 2100));
  runner.letGo();
  const after = await startOrchestrator(cwd, runner.url);
  const ready = Date.now();
  const results = await after.ended(runId);
  expect(Date.now() - ready).toBeLessThan(1500);
  expect(results.state).toBe("timed_out");
  expect(states(results)).toEqual({
    "/fast": "completed",
    "/slow-1": "timed_out",
    "/later": "timed_out",
  });
  expect(runner.executes).toHaveLength(2);
});

test("the rest of a deadline counts after a restart, for the job that was in flight too", async () => {
  const runner = await runnerServer();
  const cwd = workDir();
  const before = await startOrchestrator(cwd, runner.url);
  const began = Date.now();
  const runId = await before.submit(regionalRun(["slow-1"], { timeout: 6000 }));
  await until(() => runner.executes.length === 1);
  await before.stop("SIGKILL");
  const after = await startOrchestrator(cwd, runner.url);
  await until(() => runner.executes.length === 2);
  const results = await after.ended(runId);
  expect(results.state).toBe("timed_out");
  expect(Date.now() - began).toBeGreaterThanOrEqual(5900);
  expect(Date.now() - began).toBeLessThan(8500);
  await until(() => runner.aborted.length === 2, 2000, "the end of the requests in flight");
});

test("the longest timeout is far away and does not pass at once; a longer one is refused", async () => {
  const runner = await runnerServer();
  const server = await startOrchestrator(workDir(), runner.url);
  const longest = 2 ** 31 - 1;
  const refused = await server.api("", regionalRun(["slow"], { timeout: longest + 1 }));
  expect(refused).toMatchObject({ status: 400, body: { code: "BAD_REQUEST" } });
  expect(refused.body.message).toContain("timeout must be at most 2147483647");
  const runId = await server.submit(regionalRun(["slow"], { timeout: longest }));
  await until(() => runner.executes.length === 1);
  runner.letGo();
  expect(await server.ended(runId)).toMatchObject({ state: "completed", outcome: "pass" });
});
