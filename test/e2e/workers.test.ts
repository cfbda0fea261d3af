import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { root, type TestServer, workDir } from "../_support/app.ts";
import { readBlocks, runCurls } from "../_support/blocks.ts";
import { framesOf } from "../_support/events.ts";
import { hasRedis, startRedis, type TestRedis } from "../_support/redis.ts";
import { startNode } from "../_support/process.ts";
import { cli, runCli, startService } from "../_support/service.ts";
import { createWorkers, type Workers } from "../_support/workers.ts";

describe.skipIf(!hasRedis)("runs in redis mode, by workers that pull", () => {
  const workers = createWorkers();
  let redis: TestRedis;
  let service: TestServer;
  let tests = 0;
  /** The host and the page of a test. */
  let host: string;
  let url: string;

  const startWorker = (region: string): ReturnType<Workers["start"]> =>
    workers.start(["--redis", redis.url, "--region", region, "--concurrency", "10"]);

  const restart = async (): Promise<void> => {
    const env = { ORCHESTRATOR_REDIS_URL: redis.url };
    const args = ["--shutdown-timeout", "300"];
    service = await startService({ cwd: workers.cwd, args, env });
  };

  beforeAll(async () => {
    redis = await startRedis({ persistent: true });
    await Promise.all([restart(), startWorker("eu"), startWorker("us")]);
  });

  beforeEach(() => {
    host = `test${++tests}.example.com`;
    url = `https://${host}/`;
  });

  afterAll(async () => {
    await Promise.all([service.stop("SIGKILL"), workers.stop()]);
    await redis.kill();
  });

  async function submit(body: object): Promise<string> {
    const answer = await send(`${service.url}/runs?mode=redis`, body);
    expect(answer.status).toBe(201);
    return answer.body.runId as string;
  }

  const results = async (id: string, wait = 30) =>
    (await send(`${service.url}/api/orchestrator/${id}?wait=${wait}`)).body;

  test("a run over two regions completes, with what its runners told", async () => {
    const id = await submit({
      runners: [
        { name: "check", input: { url } },
        { name: "tell", input: { url } },
      ],
      regions: ["eu", "us"],
      concurrency: 1,
    });
    const run = await results(id);
    expect(run).toMatchObject({ state: "completed", summary: { total: 4, passed: 4 } });
    expect(run.jobs.map((job: any) => job.region)).toEqual(["eu", "us"]);
    for (const job of run.jobs) {
      expect(job.results[0].details).toEqual({ region: job.region });
      expect(job.attempts).toMatchObject([{ server: job.server, outcome: "answered" }]);
      expect(job.server).toMatch(/^[\w.-]+-\d+-[\da-f]{8}$/);
    }
    const { frames } = await framesOf(`${service.url}/runs/${id}/events`);
    const told = frames.filter(({ event }) => event === "checkpoint").map(({ data }) => data.type);
    expect(told).toEqual(["opened", "closed", "opened", "closed"]);
    const logged = frames.filter(({ event }) => event === "log");
    expect(logged.map(({ data }) => data.message)).toContain("looking at the page");
    expect((await send(`${service.url}/runs/${id}`)).body.run.mode).toBe("redis");
  });

  test("a plan says which queue a job would go to, and where there is no worker", async () => {
    const plan = await send(`${service.url}/api/orchestrator/plan?mode=redis`, {
      runners: [{ name: "check", input: { url } }],
      regions: ["eu", "mars"],
    });
    expect(plan.body.plan).toMatchObject({
      mode: "redis",
      steps: [
        { region: "eu", server: "redis/eu" },
        { region: "mars", server: "redis/mars", reason: 'No worker of region "mars" is there' },
      ],
    });
    expect(plan.body.plan.steps[0]).not.toHaveProperty("reason");
    const refused = await send(`${service.url}/runs?mode=k8s`, {
      runners: [{ name: "check", input: { url } }],
    });
    expect(refused.status).toBe(400);
    expect(refused.body.error).toMatch(/^mode 'k8s' has no executor here: set /);
  });

  test("a job that waits for a worker says so, leaves its place, and goes when one comes", async () => {
    const id = await submit({
      runners: [{ name: "check", input: { url } }],
      regions: ["mars", "eu"],
      concurrency: 1,
    });
    const jobs = async (): Promise<any[]> => (await results(id, 0)).jobs;
    await until(async () => (await jobs())[1].state === "completed");
    const reason = 'No worker of region "mars" is there';
    await until(async () => (await jobs())[0].waiting === reason);
    await startWorker("mars");
    expect(await results(id)).toMatchObject({ state: "completed", summary: { passed: 2 } });
  });

  test("cancelling a run aborts the runner at its worker", async () => {
    const id = await submit({ runners: [{ name: "gate", region: "eu", input: { url } }] });
    await until(() => workers.lines(url).some((line) => line.startsWith("begin")));
    await send(`${service.url}/runs/${id}`, undefined, { method: "DELETE" });
    await until(() => workers.lines(url).some((line) => line.startsWith("aborted")));
    expect((await results(id)).state).toBe("cancelled");
  });

  test("kill -9 of a worker: another one executes what it had", async () => {
    const first = await startWorker("asia");
    const id = await submit({ runners: [{ name: "gate", region: "asia", input: { url } }] });
    await until(() => workers.lines(url).some((line) => line.startsWith("begin")));
    await Promise.all([first.stop("SIGKILL"), startWorker("asia")]);
    workers.open(host);
    const [job] = (await results(id)).jobs;
    expect(job).toMatchObject({
      state: "completed",
      attempts: [{ error: { code: "WORKER_LOST" } }, { outcome: "answered" }],
    });
    expect(new Set(job.attempts.map(({ server }: any) => server)).size).toBe(2);
  });

  test.each(["SIGKILL", "SIGTERM"] as const)(
    "the orchestrator ends by %s: the run goes on, no order is executed twice, its events are replayed",
    async (signal) => {
      const pages = Array.from({ length: 6 }, (_, n) => `${url}${n}`);
      const id = await submit({
        runners: pages.map((page) => ({ name: "gate", input: { url: page } })),
        regions: ["eu", "us"],
      });
      await until(() => workers.lines(url).length === 12);
      const stopping = service.stop(signal);
      if (signal === "SIGTERM") expect(await stopping).toBe(0);
      await stopping;
      // All of them end while there is no orchestrator.
      workers.open(host);
      await until(() => workers.lines(url).length === 24);
      await restart();
      const run = await results(id);
      expect(run).toMatchObject({ state: "completed", summary: { total: 12, passed: 12 } });
      expect(run.jobs.map((job: any) => job.attempts.length)).toEqual(Array(12).fill(1));
      expect(workers.lines(url)).toHaveLength(24);
      const { frames } = await framesOf(`${service.url}/runs/${id}/events?replay=100`);
      const begun = frames.filter(({ event }) => event === "checkpoint");
      expect(begun.map(({ data }) => data.data.url).toSorted()).toEqual(
        [...pages, ...pages].toSorted(),
      );
    },
  );
});

test.skipIf(!hasRedis)("docs/workers.md: one worker, as it stands", async () => {
  const blocks = readBlocks(readFileSync(join(root, "docs/workers.md"), "utf8"));
  const section = blocks.filter((block) => block.section === "One worker");
  const { code } = section.find(({ file }) => file === "runners.mjs")!;
  const commands = section
    .find(({ language }) => language === "sh")!
    .code.trim()
    .split("\n");
  const redis = await startRedis();
  const cwd = workDir();
  await mkdir(cwd, { recursive: true });
  await writeFile(join(cwd, "runners.mjs"), code);
  const service = await startService({ cwd, env: { ORCHESTRATOR_REDIS_URL: redis.url } });
  expect(commands[1]).toBe("ORCHESTRATOR_REDIS_URL=redis://localhost:6379 npx orchestrator serve");
  const words = commands[2]!.replace("redis://localhost:6379", redis.url).split(" ");
  expect(words.slice(0, 2)).toEqual(["npx", "orchestrator"]);
  const worker = startNode([cli, ...words.slice(2)], cwd);
  try {
    await worker.printed(/"message":"pulling","from":"Redis at .*","region":"eu"/);
    expect(await runCurls(section, service.url)).toBe(3);
    expect(await worker.stop()).toBe(0);
  } finally {
    await Promise.all([worker.stop("SIGKILL"), service.stop("SIGKILL"), redis.kill()]);
  }
});

test("the command says what it needs", async () => {
  const nothing = await runCli(["worker"]);
  expect(nothing).toEqual({
    code: 1,
    output:
      "[orchestrator] Nothing to pull from: give --redis a URL, or set ORCHESTRATOR_REDIS_URL\n",
  });
  const odd = await runCli(["worker", "--redis", "secret"]);
  expect(odd.output).toBe("[orchestrator] --redis must be a URL such as redis://localhost:6379\n");
});
