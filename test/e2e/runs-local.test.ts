import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { finished, send, startRun, until } from "../_support/api.ts";
import { createApp, nitroConfig, root, type TestApp } from "../_support/app.ts";
import { counted, createFleet, type Fleet } from "../_support/fleet.ts";
import type { RunResults, RunStatus } from "../../src/types/run.ts";

/** Runners of an app that has not configured `orchestrator.runners`. */
const runners = `
export async function visits(_ctx, { url }) {
  "use runner";
  const body = JSON.stringify({ json: { url, runners: ["x"] } });
  const { ok } = await fetch(url, { method: "POST", body });
  return { status: ok ? "pass" : "fail" };
}
export async function quick() {
  "use runner";
  return { status: "pass" };
}
export async function throwing() {
  "use runner";
  throw new Error("boom");
}
export async function hanging() {
  "use runner";
  await new Promise(() => {});
}
`;

let app: TestApp;
let fleet: Fleet;

beforeAll(async () => {
  app = await createApp({
    from: join(root, "test/fixture/app"),
    files: { "nitro.config.ts": nitroConfig(), "runners/local.ts": runners },
  });
  const { code, output } = await app.build();
  expect(code, output).toBe(0);
});
afterAll(() => app.remove());
beforeEach(() => void (fleet = createFleet()));
afterEach(() => fleet.stop());

const start = async (): Promise<string> =>
  (await fleet.orchestrator({}, { output: join(app.dir, ".output") })).url;

async function submit(base: string, runners: object[], more = {}): Promise<string> {
  const { status, body } = await send(`${base}/api/orchestrator`, {
    mode: "local",
    runners,
    ...more,
  });
  expect(status, JSON.stringify(body)).toBe(200);
  return `${base}/api/orchestrator/${body.runId}`;
}

const results = async (run: string): Promise<RunResults> => (await send(`${run}?wait=50`)).body;
const runner = (name: string, path: string): object => ({
  name,
  input: { url: `https://x.test/${path}` },
});

test("jobs are grouped by url; what throws is an error result, what is unknown fails its job alone", async () => {
  const base = await start();
  const run = await submit(base, [
    runner("quick", "a"),
    runner("throwing", "b"),
    runner("throwing", "a"),
    runner("zzz", "c"),
    runner("quick", "c"),
    { ...runner("greets", "d"), input: { url: "https://x.test/d", word: 7 } },
  ]);
  const { state, outcome, summary, jobs } = await results(run);
  expect(state).toBe("failed");
  expect(outcome).toBe("fail");
  expect(summary).toEqual({ total: 3, passed: 1, failed: 0, errored: 2 });
  expect(jobs.map((job) => [job.url, job.state, job.results.map(({ name }) => name)])).toEqual([
    ["https://x.test/a", "completed", ["quick", "throwing"]],
    ["https://x.test/b", "completed", ["throwing"]],
    ["https://x.test/c", "failed", []],
    ["https://x.test/d", "failed", []],
  ]);
  expect(JSON.stringify(jobs[1]!.results)).toContain("boom");
  expect(jobs[0]).toMatchObject({ server: "local", attempts: [{ number: 1, server: "local" }] });
  expect(jobs[2]!.error).toMatch(
    /^Runners not found: zzz\. Available runners: .*\bhanging\b.*\bquick\b/,
  );
  expect(jobs[3]!.error).toContain("validation failed");
  // Not configured, the runners are not served to others.
  expect((await send(`${base}/api/runner/info`)).status).toBe(404);
});

test("concurrency is held, and reached", async () => {
  const gauge = { now: 0, most: 0 };
  const page = await fleet.runnerServer(counted(gauge, 30));
  const run = await submit(
    await start(),
    Array.from({ length: 120 }, (_, index) => ({
      name: "visits",
      input: { url: `${page.url}/execute?${index}` },
    })),
    { concurrency: 4 },
  );
  expect((await results(run)).summary).toMatchObject({ total: 120, passed: 120 });
  expect(gauge.most).toBe(4);
});

test("a runner that hangs is cut off by the run's timeout, others keep their results", async () => {
  const run = await submit(await start(), [runner("hanging", "a"), runner("quick", "b")], {
    timeout: 2000,
  });
  const { state, jobs } = await results(run);
  expect(state).toBe("timed_out");
  expect(jobs.map((job) => job.state)).toEqual(["timed_out", "completed"]);
});

test("a runner that hangs is cut off by its job's own timeout", async () => {
  const base = await start();
  const job = (name: string): object => ({
    id: name,
    url: "https://x.test/",
    runners: [name],
    timeout: 300,
  });
  const body = { jobs: [job("hanging"), job("quick")], options: { executor: "local" } };
  const runId = await startRun(base, "spread", body);
  const { jobs, state } = (await finished(base, "spread", runId)).body;
  expect(state).toBe("timed_out");
  expect(jobs).toMatchObject([
    { state: "timed_out", error: "Job hanging did not end within 300 ms" },
    { state: "completed" },
  ]);
});

test("a run of 10,000 jobs completes, and its status answers while it runs", async () => {
  const count = 10_000;
  const run = await submit(
    await start(),
    Array.from({ length: count }, (_, index) => runner("quick", String(index))),
    { concurrency: 100 },
  );
  const seen: RunStatus[] = [];
  await until(async () => {
    seen.push((await send(`${run}/status`)).body);
    return seen.at(-1)!.state === "completed";
  }, 50_000);
  expect(seen.every(({ totalJobs }) => totalJobs === count)).toBe(true);
  const counts = seen.map(({ completedJobs }) => completedJobs);
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(seen.some(({ state, completedJobs }) => state === "running" && completedJobs > 0)).toBe(
    true,
  );
  const { summary, jobs } = await results(run);
  expect(summary).toEqual({ total: count, passed: count, failed: 0, errored: 0 });
  expect(jobs.map(({ url }) => url)).toEqual(
    Array.from({ length: count }, (_, index) => `https://x.test/${index}`),
  );
});
