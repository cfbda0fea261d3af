import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, inject, test } from "vitest";
import { finished, send, startRun } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";
import { type FakeRunnerServer, passing, startRunnerServer } from "../_support/runner-server.ts";

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

async function runnerServer(
  reply?: Parameters<typeof startRunnerServer>[0],
): Promise<FakeRunnerServer> {
  const server = await startRunnerServer(reply);
  stops.push(server.close);
  return server;
}

async function orchestrator(env: Record<string, string>): Promise<TestServer> {
  const server = await startServer(inject("fixtureOutput"), workDir(), env);
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

function registry(servers: { id: string; url: string; region: string }[]): {
  ORCHESTRATOR_REGISTRY: string;
} {
  return { ORCHESTRATOR_REGISTRY: JSON.stringify({ type: "in-memory", servers }) };
}

const job = { url: "https://example.com/", runners: ["a", { name: "b", input: { x: 1 } }] };

describe("the workflows of seed 002", () => {
  test("orchestrateRunners sends each job to its region and aggregates the answers", async () => {
    const [eu, us] = [await runnerServer(), await runnerServer()];
    const app = await orchestrator({
      PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: eu.url, us: us.url }),
    });
    const jobs = [
      { ...job, id: "one", region: "eu" },
      { ...job, id: "two", region: "us" },
    ];
    const runId = await startRun(app.url, "orchestrateRunners", {
      jobs,
      options: { maxConcurrency: 5 },
    });
    const { status, body } = await finished(app.url, "orchestrateRunners", runId);
    expect(status).toBe(200);
    expect(body.state).toBe("completed");
    expect(body.summary).toEqual({ total: 4, passed: 4, failed: 0, errored: 0 });
    expect(body.jobs.map((j: { jobId: string; server: string }) => [j.jobId, j.server])).toEqual([
      ["one", "eu"],
      ["two", "us"],
    ]);
    expect(eu.executes).toHaveLength(1);
    expect(eu.executes[0]).toMatchObject({
      key: `${runId}/one`,
      body: { url: job.url, runners: job.runners, runId, region: "eu" },
    });
    expect(us.executes[0]!.key).toBe(`${runId}/two`);
  });

  test("executeSingleRunner takes {job}", async () => {
    const eu = await runnerServer();
    const app = await orchestrator({ PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: eu.url }) });
    const runId = await startRun(app.url, "executeSingleRunner", { job: { ...job, region: "eu" } });
    const { body } = await finished(app.url, "executeSingleRunner", runId);
    expect(body).toMatchObject({ server: "eu", job: { region: "eu" } });
    expect(body.result.results.map((r: { status: string }) => r.status)).toEqual(["pass", "pass"]);
    // Without an id of its own, a job is known by its step, which stays the same over retries.
    expect(eu.executes[0]!.key).toMatch(new RegExp(`^${runId}/job_step_`));
  });

  test("a region without servers: the run fails and says so", async () => {
    const eu = await runnerServer();
    const app = await orchestrator({ PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: eu.url }) });
    const runId = await startRun(app.url, "executeSingleRunner", {
      job: { ...job, region: "mars" },
    });
    const { status, body } = await finished(app.url, "executeSingleRunner", runId);
    expect(status).toBe(500);
    expect(body.error).toBe("No runner servers available for region mars");
  });

  test("maxConcurrency is a sliding window: never more jobs at once, never a batch that waits", async () => {
    let [now, most] = [0, 0];
    const starts: number[] = [];
    const slow = await runnerServer(async (received, response) => {
      most = Math.max(most, ++now);
      starts.push(Date.now());
      await delay(starts.length === 1 ? 1500 : 100);
      now--;
      passing(received, response);
    });
    const app = await orchestrator({ PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: slow.url }) });
    const jobs = Array.from({ length: 6 }, (_, i) => ({ ...job, id: `job-${i}`, region: "eu" }));
    const began = Date.now();
    const runId = await startRun(app.url, "orchestrateRunners", {
      jobs,
      options: { maxConcurrency: 2 },
    });
    expect((await finished(app.url, "orchestrateRunners", runId)).body.summary.passed).toBe(12);
    expect(most).toBe(2);
    // In batches of two, the second job's place would stand empty until the slow first one ended.
    expect(starts.filter((at) => at < starts[0]! + 1500).length).toBeGreaterThan(2);
    expect(Date.now() - began).toBeGreaterThan(1500);
  });

  test("a server that dies takes its job to another of the region, under the same key", async () => {
    const dying = await runnerServer((_received, response) => void response.socket?.destroy());
    const well = await runnerServer();
    const app = await orchestrator({
      ...registry([
        { id: "dying", url: dying.url, region: "eu" },
        { id: "well", url: well.url, region: "eu" },
      ]),
      ORCHESTRATOR_LOAD_BALANCER: "round-robin",
    });
    const jobs = [{ ...job, id: "one", region: "eu" }];
    const runId = await startRun(app.url, "orchestrateRunners", { jobs });
    const { body } = await finished(app.url, "orchestrateRunners", runId);
    expect(body.state).toBe("completed");
    expect(body.jobs[0].server).toBe("well");
    expect(body.jobs[0].attempts).toMatchObject([
      { number: 1, server: "dying", outcome: "failed", error: { code: "SERVER_UNREACHABLE" } },
      { number: 2, server: "well", outcome: "answered" },
    ]);
    expect(dying.executes[0]!.key).toBe(`${runId}/one`);
    expect(well.executes[0]!.key).toBe(`${runId}/one`);
  });

  test("a job that is no job fails alone, with the field's path", async () => {
    const eu = await runnerServer();
    const app = await orchestrator({ PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: eu.url }) });
    const jobs = [
      { ...job, id: "good" },
      { ...job, id: "bad", url: "no url" },
    ];
    const runId = await startRun(app.url, "orchestrateRunners", { jobs });
    const { body } = await finished(app.url, "orchestrateRunners", runId);
    expect(body.state).toBe("failed");
    expect(body.jobs.map((j: { state: string }) => j.state)).toEqual(["completed", "failed"]);
    expect(body.jobs[1].error).toMatch(/job\.url must be an absolute http\(s\) URL/);
    expect(eu.executes).toHaveLength(1);
  });
});

describe("a caller cannot name a server", () => {
  test.each([
    [
      "a registry",
      (url: string) => ({
        registry: { type: "in-memory", servers: [{ id: "x", url, region: "eu" }] },
      }),
    ],
    ["a balancer", (url: string) => ({ loadBalancer: { type: "module", path: url } })],
    ["a list of servers", (url: string) => ({ servers: [{ id: "eu", url, region: "eu" }] })],
    ["a server and its url", (url: string) => ({ server: { id: "eu", url, region: "eu" }, url })],
  ])("by %s in its options", async (_what, options) => {
    const [good, evil] = [await runnerServer(), await runnerServer()];
    const app = await orchestrator({ PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: good.url }) });
    const body = { jobs: [{ ...job, region: "eu" }], options: options(evil.url) };
    for (const name of ["orchestrateRunners", "trustsItsCaller"]) {
      await finished(app.url, name, await startRun(app.url, name, body));
    }
    expect(evil.requests).toEqual([]);
    expect(good.executes.length).toBeGreaterThan(0);
  });

  test("by an unknown id, which is refused with the known ones", async () => {
    const [good, evil] = [await runnerServer(), await runnerServer()];
    const app = await orchestrator({ PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: good.url }) });
    const options = { server: { id: "evil", url: evil.url, region: "eu" } };
    const runId = await startRun(app.url, "trustsItsCaller", { jobs: [job], options });
    const { body } = await finished(app.url, "trustsItsCaller", runId);
    expect(body.code).toBe("UNKNOWN_SERVER");
    expect(body.message).toContain("eu");
    expect(evil.requests).toEqual([]);
  });

  test("by {args}, which skip the options", async () => {
    const evil = await runnerServer();
    const good = await runnerServer();
    const app = await orchestrator({ PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: good.url }) });
    const args = [
      [{ ...job, region: "eu" }],
      { registry: { servers: [{ id: "x", url: evil.url, region: "eu" }] } },
    ];
    const runId = await startRun(app.url, "orchestrateRunners", { args });
    const { status, body } = await finished(app.url, "orchestrateRunners", runId);
    expect(status).toBe(500);
    expect(body.error).toMatch(/takes the registry it is given/);
    expect(evil.requests).toEqual([]);
  });
});

describe("the app's own runners", () => {
  test("are served at /api/runner and take jobs from this very orchestrator", async () => {
    const site = await startServer(inject("fixtureOutput"), workDir(), {
      ORCHESTRATOR_REGION: "eu",
    });
    stops.push(() => site.stop("SIGKILL"));
    const info = await send(`${site.url}/api/runner/info`);
    expect(info.body).toMatchObject({ runners: ["greets"], count: 1, region: "eu" });
    const app = await orchestrator({
      PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: `${site.url}/api/runner/` }),
    });
    const jobs = [
      {
        url: `${site.url}/api/orchestrator`,
        runners: [{ name: "greets", input: { word: "usage" } }, "greets"],
      },
    ];
    const runId = await startRun(app.url, "orchestrateRunners", { jobs });
    const { body } = await finished(app.url, "orchestrateRunners", runId);
    expect(body.summary).toEqual({ total: 2, passed: 1, failed: 1, errored: 0 });
    const spec = await send(`${site.url}/api/runner/spec.json`);
    expect(spec.body.openapi).toMatch(/^3\.1/);
  });
});

describe("a bad value stops the start", () => {
  test.each([
    [
      {
        ORCHESTRATOR_REGISTRY:
          '{"type":"in-memory","servers":[{"id":"a","url":"x","region":"eu"}]}',
      },
      'ORCHESTRATOR_REGISTRY.servers[0].url must be an absolute http(s) URL (got "x")',
    ],
    [
      { ORCHESTRATOR_LOAD_BALANCER: "fastest" },
      "ORCHESTRATOR_LOAD_BALANCER: Unknown load balancer",
    ],
    [{ PLAYWRIGHT_RUNNERS: "[]" }, "PLAYWRIGHT_RUNNERS environment variable is not valid"],
    [{ ORCHESTRATOR_REGISTRY: "./not-there.mjs" }, "not-there.mjs"],
  ])("%j", async (env, message) => {
    const app = await orchestrator(env as Record<string, string>).catch((error: Error) => error);
    const output =
      app instanceof Error ? app.message : (await app.printed(/cannot start/), app.output());
    expect(output).toContain(message);
    if (!(app instanceof Error)) expect(await app.stop()).toBe(1);
  });
});
