import { afterEach, expect, inject, test } from "vitest";
import { finished, startRun } from "../_support/api.ts";
import { startServer, workDir } from "../_support/app.ts";
import { startRunnerServer } from "../_support/runner-server.ts";

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

/** What a job comes to whose server answers so, and how often it was executed. */
async function outcomeOf(reply: string, status = 200) {
  const runner = await startRunnerServer((_received, response) => {
    response.writeHead(status, { "content-type": "application/json" }).end(reply);
  });
  stops.push(runner.close);
  const server = await startServer(inject("fixtureOutput"), workDir(), {
    PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runner.url }),
  });
  stops.push(() => server.stop("SIGKILL"));
  const jobs = [{ id: "one", runners: ["a"], region: "eu" }];
  const runId = await startRun(server.url, "orchestrateRunners", { jobs });
  const { body } = await finished(server.url, "orchestrateRunners", runId);
  return { job: body.jobs[0], executes: runner.executes.length };
}

test("details with a __proto__ key are an answer like any other, executed once", async () => {
  const reply =
    '{"json":{"results":[{"name":"a","status":"pass","details":{"b":1,"__proto__":{"x":1}}}]}}';
  const { job, executes } = await outcomeOf(reply);
  expect(job).toMatchObject({
    state: "completed",
    results: [{ status: "pass", details: { b: 1 } }],
  });
  expect(executes).toBe(1);
});

test("error data with a __proto__ key is the contract's error, executed once", async () => {
  const reply = '{"code":"EXECUTION_FAILED","message":"broken","data":{"__proto__":{"x":1}}}';
  const { job, executes } = await outcomeOf(reply, 500);
  expect(job).toMatchObject({ state: "failed" });
  expect(job.error).toContain("broken");
  expect(executes).toBe(1);
});

test("details nested without end are no valid answer", async () => {
  const deep = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
  const { job, executes } = await outcomeOf(
    `{"results":[{"name":"a","status":"pass","details":${deep}}]}`,
  );
  expect(job.state).toBe("failed");
  expect(job.attempts.map((attempt: { error: { code: string } }) => attempt.error.code)).toContain(
    "INVALID_RESPONSE",
  );
  expect(executes).toBeLessThanOrEqual(3);
});
