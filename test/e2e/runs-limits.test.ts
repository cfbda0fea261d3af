import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { workDir } from "../_support/app.ts";
import { counted, createFleet, type Fleet, regions, registry } from "../_support/fleet.ts";
import { passing, type Received } from "../_support/runner-server.ts";
import type { RunJob, RunResults } from "../../src/types/run.ts";

let fleet: Fleet;
beforeEach(() => void (fleet = createFleet()));
afterEach(() => fleet.stop());

/** The fixture app's `execution.wait`. */
const WAIT_MS = 3000;

/** Runners on so many pages of a region. */
function runnersIn(region: string, count: number): object[] {
  return Array.from({ length: count }, (_, index) => ({
    name: "check",
    region,
    input: { url: `https://${region}.test/${index}` },
  }));
}

async function submit(base: string, runners: object[], more = {}): Promise<string> {
  const { status, body } = await send(`${base}/api/orchestrator`, {
    mode: "remote",
    runners,
    ...more,
  });
  expect(status, JSON.stringify(body)).toBe(200);
  return `${base}/api/orchestrator/${body.runId}`;
}

async function results(run: string, wait = ""): Promise<RunResults> {
  return (await send(`${run}${wait}`)).body;
}

const inRegion = (jobs: RunJob[], name: string): RunJob[] =>
  jobs.filter(({ region }) => region === name);
const last = (jobs: RunJob[]): string =>
  jobs
    .map((job) => job.completedAt!)
    .toSorted()
    .at(-1)!;
const failing = (_: Received, response: { writeHead(status: number): { end(): void } }): void =>
  void response.writeHead(500).end();

test("a run's concurrency holds over retries and a kill -9", async () => {
  const gauge = { now: 0, most: 0 };
  const flaky = counted(gauge, 20, (received, response) => {
    const retried =
      received.attempt === "1" && Number(received.body.url!.split("/").at(-1)) % 3 === 0;
    return retried ? failing(received, response) : passing(received, response);
  });
  const [a, b] = [await fleet.runnerServer(flaky), await fleet.runnerServer(flaky)];
  const env = registry({ a: { url: a.url, region: "eu" }, b: { url: b.url, region: "eu" } });
  const cwd = workDir();
  const first = await fleet.orchestrator(env, { cwd });
  await submit(first.url, runnersIn("eu", 150), { concurrency: 5, runId: "night" });
  await until(() => a.executes.length + b.executes.length >= 80);
  await first.stop("SIGKILL");
  await until(() => gauge.now === 0);
  const second = await fleet.orchestrator(env, { cwd });
  const { state, jobs } = await results(`${second.url}/api/orchestrator/night`, "?wait=40");
  expect(state).toBe("completed");
  expect(jobs.filter(({ attempts }) => attempts!.length > 1).length).toBeGreaterThan(20);
  expect(gauge.most).toBe(5);
});

test("a region without a live server fails its own jobs alone and holds up no others", async () => {
  const gone = await fleet.runnerServer();
  await gone.close();
  const eu = await fleet.runnerServer();
  const app = await fleet.orchestrator(regions({ dead: gone, eu }));
  // The dead region's jobs come first, and would each keep the only place.
  const run = await submit(app.url, [...runnersIn("dead", 6), ...runnersIn("eu", 12)], {
    concurrency: 1,
  });
  const { state, outcome, jobs, regions: byRegion } = await results(run, "?wait=40");
  expect({ state, outcome }).toEqual({ state: "failed", outcome: "partial" });
  expect(byRegion.eu).toMatchObject({ jobs: 12, failedJobs: 0, passed: 12 });
  expect(byRegion.dead).toMatchObject({ jobs: 6, failedJobs: 6, total: 0 });
  for (const job of inRegion(jobs, "dead")) expect(job.error).toMatch(/dead/);
  expect(last(inRegion(jobs, "eu")) < last(inRegion(jobs, "dead"))).toBe(true);
});

test("a region that is full waits and says so, longer than execution.wait, and holds up no others", async () => {
  let open = false;
  const gauge = { now: 0, most: 0 };
  const full = await fleet.runnerServer(
    counted(gauge, 0, async (received, response) => {
      gauge.now++;
      await until(() => open, 30_000);
      gauge.now--;
      passing(received, response);
    }),
  );
  const us = await fleet.runnerServer();
  const app = await fleet.orchestrator(
    registry({
      small: { url: full.url, region: "eu", capacity: 2 },
      us: { url: us.url, region: "us" },
    }),
  );
  const run = await submit(app.url, [...runnersIn("eu", 10), ...runnersIn("us", 10)], {
    concurrency: 3,
  });
  const waiting = async (): Promise<RunJob[]> =>
    (await results(run)).jobs.filter((job) => job.waiting !== undefined);
  await until(async () => (await waiting()).length === 8);
  expect((await waiting())[7]).toMatchObject({
    region: "eu",
    waiting: "No runner servers available for region eu: small is full (2 of 2 jobs)",
  });
  await until(async () => (await send(`${run}/status`)).body.completedJobs === 10);
  await delay(WAIT_MS + 1000);
  expect(await waiting()).toHaveLength(8);
  open = true;
  const { state, jobs, summary } = await results(run, "?wait=40");
  expect({ state, passed: summary.passed }).toEqual({ state: "completed", passed: 20 });
  expect(jobs.filter((job) => job.waiting !== undefined)).toEqual([]);
  expect(full.executes).toHaveLength(10);
  expect(gauge.most).toBe(2);
});

test("jobs that wait for a full server outlive its short failure", async () => {
  let [open, failures] = [false, 0];
  const full = await fleet.runnerServer(async (received, response) => {
    await until(() => open, 30_000);
    // Both jobs in flight fail, which opens its circuit.
    if (failures++ < 2) return void response.socket?.destroy();
    await delay(50);
    passing(received, response);
  });
  const app = await fleet.orchestrator(
    registry({ small: { url: full.url, region: "eu", capacity: 2 } }),
  );
  const run = await submit(app.url, runnersIn("eu", 8));
  await until(() => full.executes.length === 2);
  await delay(WAIT_MS + 1000);
  open = true;
  const { jobs } = await results(run, "?wait=40");
  expect(jobs.map(({ state, error }) => error ?? state)).toEqual(
    Array.from({ length: 8 }, () => "completed"),
  );
});

test("a job whose server failed waits for the other of its region, however long that is full", async () => {
  let open = false;
  const sick = await fleet.runnerServer((received, response) => failing(received, response));
  const busy = await fleet.runnerServer(async (received, response) => {
    if (busy.executes.length === 1) await until(() => open, 30_000);
    passing(received, response);
  });
  const app = await fleet.orchestrator({
    ...registry({
      busy: { url: busy.url, region: "eu", capacity: 1 },
      sick: { url: sick.url, region: "eu" },
    }),
    ORCHESTRATOR_LOAD_BALANCER: "round-robin",
  });
  const run = await submit(app.url, runnersIn("eu", 2));
  await until(() => busy.executes.length === 1 && sick.executes.length === 1);
  await delay(WAIT_MS + 1000);
  open = true;
  const { jobs } = await results(run, "?wait=40");
  expect(jobs.map(({ state, error }) => error ?? state)).toEqual(["completed", "completed"]);
  expect(jobs.flatMap(({ attempts }) => attempts!.map(({ server }) => server)).toSorted()).toEqual([
    "busy",
    "busy",
    "sick",
  ]);
});

test("a server that dies mid-run gives its jobs to another of its region, all attempts told", async () => {
  const gauge = { now: 0, most: 0 };
  const [dying, well] = [
    await fleet.runnerServer(counted(gauge, 50)),
    await fleet.runnerServer(counted(gauge, 50)),
  ];
  const app = await fleet.orchestrator(
    registry({ dying: { url: dying.url, region: "eu" }, well: { url: well.url, region: "eu" } }),
  );
  const run = await submit(app.url, runnersIn("eu", 60), { concurrency: 6 });
  await until(() => dying.executes.length >= 10);
  await dying.close();
  const { state, jobs } = await results(run, "?wait=40");
  expect(state).toBe("completed");
  const moved = jobs.filter(({ attempts }) => attempts!.length > 1);
  expect(moved.length).toBeGreaterThan(0);
  for (const { attempts, server } of moved) {
    expect(server).toBe("well");
    expect(attempts).toMatchObject([
      { number: 1, server: "dying", outcome: "failed", error: { code: "SERVER_UNREACHABLE" } },
      { number: 2, server: "well", outcome: "answered" },
    ]);
  }
  // A job that was answered is not sent to the other server too.
  const keys = [...dying.executes, ...well.executes].map(({ key }) => key);
  const answered = jobs.filter(({ server }) => server === "dying").map(({ jobId }) => jobId);
  for (const id of answered) expect(keys.filter((key) => key!.endsWith(id))).toHaveLength(1);
});
