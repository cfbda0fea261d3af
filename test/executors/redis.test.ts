import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { queueOf } from "../../src/core/pull.ts";
import { orderId } from "../../src/executors/redis-queue.ts";
import { createRedisExecutor } from "../../src/executors/redis.ts";
import type { Executor, ExecuteRequest } from "../../src/types/executor.ts";
import type { RunnerContext } from "../../src/types/runner.ts";
import { createRunnerWorker, type RunnerWorker } from "../../src/worker/runner-worker.ts";
import { bundleProgram, removeProgram, startProgram } from "./conformance/programs.ts";
import { freePort, runNode } from "../_support/process.ts";
import { hasRedis, startRedis, type TestRedis } from "../_support/redis.ts";

const stops: (() => unknown)[] = [];
let said: string[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  vi.restoreAllMocks();
});

/** What is said on stderr from here on. */
function listen(): void {
  said = [];
  vi.spyOn(console, "error").mockImplementation((line: string) => void said.push(line));
}

async function open(url: string, prefix?: string): Promise<Executor> {
  const executor = await createRedisExecutor({ url, ...(prefix !== undefined && { prefix }) });
  stops.push(() => executor.close!());
  await executor.start!();
  return executor;
}

/** A worker of this process. */
async function work(
  url: string,
  runners: Record<string, unknown>,
  more: { prefix?: string; region?: string; stopTimeout?: number } = {},
): Promise<RunnerWorker> {
  const { prefix, ...rest } = more;
  const redis = { url, ...(prefix !== undefined && { prefix }) };
  const worker = createRunnerWorker({ redis, runners, signals: false, log: () => {}, ...rest });
  stops.push(() => worker.stop());
  await worker.start();
  return worker;
}

function attempt(
  executor: Executor,
  runner: string,
  more: Partial<ExecuteRequest> = {},
): ExecuteRequest {
  return {
    server: queueOf(executor, ""),
    job: { url: "https://x.test/", runners: [runner] },
    idempotencyKey: `r/${randomUUID()}`,
    attempt: 1,
    timeout: 10_000,
    wait: 10_000,
    ...more,
  };
}

const pass = async (): Promise<object> => ({ status: "pass" });

/** A runner that a test lets go on, and what tells that it has begun. */
function gate() {
  let begin!: () => void;
  let open!: () => void;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const opened = new Promise<void>((resolve) => (open = resolve));
  const runner = async (): Promise<object> => {
    begin();
    await opened;
    return { status: "pass" };
  };
  return { begun, open, runner };
}

describe.skipIf(!hasRedis)("on a Redis that keeps nothing", () => {
  let redis: TestRedis;

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.kill());

  test("orders that nobody had begun are handed in again, those that were under way are lost", async () => {
    listen();
    const executor = await open(redis.url);
    const { begun, open: letGo, runner } = gate();
    await work(redis.url, { slow: runner, pass });
    let start!: () => void;
    const started = new Promise<void>((resolve) => (start = resolve));
    const under = executor.execute(attempt(executor, "slow", { onStart: () => start() }));
    const waits = executor.execute(attempt(executor, "pass"));
    const lost = expect(under).rejects.toMatchObject({
      code: "WORKER_LOST",
      retryable: true,
      message: expect.stringContaining("Redis has lost the order"),
    });
    await Promise.all([begun, started]);
    await redis.kill();
    await redis.restart();
    await lost;
    letGo();
    expect((await waits).results).toMatchObject([{ name: "pass", status: "pass" }]);
    // Each once for the executor, and the worker's log says it for itself.
    expect(said.filter((line) => line.includes("is away"))).toHaveLength(1);
    expect(said.filter((line) => line.includes("is back"))).toHaveLength(1);
  });

  test("asking for a region that nobody works in leaves nothing behind", async () => {
    const executor = await open(redis.url);
    const admin = new Redis(redis.url);
    stops.push(() => admin.disconnect());
    const server = queueOf(executor, "atlantis");
    expect(await executor.workers!("atlantis")).toBe(0);
    expect(await executor.knows!(attempt(executor, "pass", { server }))).toBe(false);
    expect(await admin.keys("*atlantis*")).toEqual([]);
  });

  test("what may be evicted is said once, when it starts", async () => {
    const admin = new Redis(redis.url);
    await admin.config("SET", "maxmemory", "100mb");
    await admin.config("SET", "maxmemory-policy", "allkeys-lru");
    const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
    listen();
    const executor = await open(redis.url, "evicted");
    await work(redis.url, { pass }, { prefix: "evicted" });
    await executor.execute(attempt(executor, "pass"));
    expect(said).toEqual([
      expect.stringMatching(/may evict orders: set its maxmemory-policy to noeviction/),
    ]);
    expect(warned).not.toHaveBeenCalled();
    await admin.config("SET", "maxmemory", "0");
    admin.disconnect();
  });

  test("a busy worker is waited for, however long that takes", async () => {
    const executor = await open(redis.url, "busy");
    const { begun, open: letGo, runner } = gate();
    await work(redis.url, { slow: runner, pass }, { prefix: "busy" });
    const first = executor.execute(attempt(executor, "slow"));
    await begun;
    const second = executor.execute(attempt(executor, "pass", { wait: 100 }));
    let ended = false;
    void second.finally(() => (ended = true));
    // Long enough for the workers to be looked at.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(ended).toBe(false);
    letGo();
    await Promise.all([first, second]);
  });

  test("workers that live are counted by their region, and no longer than they do", async () => {
    const executor = await open(redis.url, "counted");
    expect(await executor.workers!("eu")).toBe(0);
    const workers = await Promise.all(
      ["eu", "eu", "us"].map((region) => work(redis.url, { pass }, { prefix: "counted", region })),
    );
    expect(await executor.workers!("eu")).toBe(2);
    expect(await executor.workers!("us")).toBe(1);
    await workers[0]!.stop();
    expect(await executor.workers!("eu")).toBe(1);
  });

  test("an order that its worker gave back waits for the next one, as the same attempt", async () => {
    const executor = await open(redis.url, "returned");
    const hang = ({ signal }: RunnerContext): Promise<object> =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve({ status: "pass" }), { once: true });
      });
    const first = await work(redis.url, { check: hang }, { prefix: "returned", stopTimeout: 0 });
    const workers: string[] = [];
    let start!: () => void;
    const started = new Promise<void>((resolve) => (start = resolve));
    const execution = executor.execute(
      attempt(executor, "check", { onStart: (worker) => (workers.push(worker), start()) }),
    );
    await started;
    await first.stop();
    // Longer than a worker may be absent.
    await new Promise((resolve) => setTimeout(resolve, 4500));
    const second = await work(redis.url, { check: pass }, { prefix: "returned" });
    expect((await execution).results).toMatchObject([{ status: "pass" }]);
    expect(workers).toEqual([first.id, second.id]);
  });

  test("what a worker of another make says is checked", async () => {
    const executor = await open(redis.url, "odd");
    const begun = gate();
    await work(redis.url, { slow: begun.runner }, { prefix: "odd" });
    const told: unknown[] = [];
    const request = attempt(executor, "slow", { onEvent: (event) => void told.push(event) });
    const execution = executor.execute(request);
    await begun.begun;
    const admin = new Redis(redis.url);
    const logs = `odd:orders:${orderId(request)}:logs`;
    const event = { event: "log", at: 1, message: "m", runner: "slow" };
    await admin.rpush(logs, JSON.stringify({ row: "events", events: [{ event: "odd" }, event] }));
    await admin.rpush(logs, `{"row":"answer","answer":${"[".repeat(200)}${"]".repeat(200)}}`);
    await admin.publish("odd:news", orderId(request));
    await expect(execution).rejects.toMatchObject({ code: "INVALID_RESPONSE", retryable: true });
    expect(told).toEqual([event]);
    begun.open();
    admin.disconnect();
  });

  test("two attempts of a job are two orders", async () => {
    const executor = await open(redis.url, "attempts");
    const runner = vi.fn(async (_ctx: RunnerContext) => ({ status: "pass" }));
    await work(redis.url, { runner }, { prefix: "attempts" });
    const first = attempt(executor, "runner");
    await executor.execute(first);
    await executor.execute({ ...first, attempt: 2 });
    await executor.execute({ ...first, attempt: 2 });
    expect(runner).toHaveBeenCalledTimes(2);
  });

  test("closing it rejects what waits, which the queue keeps for the next one", async () => {
    const executor = await open(redis.url, "closed");
    const request = attempt(executor, "pass");
    const execution = executor.execute(request);
    await vi.waitFor(async () => expect(await executor.knows!(request)).toBe(true));
    const rejected = expect(execution).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
    await executor.close!();
    await rejected;
    await work(redis.url, { pass }, { prefix: "closed" });
    const next = await open(redis.url, "closed");
    expect((await next.execute(request)).results).toMatchObject([{ status: "pass" }]);
  });
});

test("a worker stops without Redis too, and its process ends by itself", async () => {
  const program = await bundleProgram("worker-program");
  stops.push(() => removeProgram(program));
  const redis = `redis://127.0.0.1:${await freePort()}`;
  const worker = await startProgram(program, { redis, stopTimeout: 100 }, /"message":"pulling"/);
  const stoppedAt = Date.now();
  expect(await worker.stop()).toBe(0);
  expect(Date.now() - stoppedAt).toBeLessThan(8000);
  expect(worker.output()).not.toMatch(/Error|at .*\.m?js:/);
});

test("a Redis that is not there is said once, and an attempt is rejected in time", async () => {
  listen();
  const url = `redis://user:secret@127.0.0.1:${await freePort()}`;
  const executor = await createRedisExecutor({ url, patience: 500 });
  stops.push(() => executor.close!());
  await executor.start!();
  await expect(executor.execute(attempt(executor, "pass"))).rejects.toMatchObject({
    code: "SERVER_UNREACHABLE",
    retryable: true,
  });
  await expect(executor.workers!("")).rejects.toMatchObject({
    code: "SERVER_UNREACHABLE",
    message: expect.stringMatching(/^Redis at 127\.0\.0\.1:\d+ is away$/),
  });
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/^\[orchestrator\] Redis at 127\.0\.0\.1:\d+ is away \(.*ECONNREFUSED/);
});

test("without the packages it says what to install; a variable alone does without the mode", async () => {
  const folder = await mkdtemp(join(tmpdir(), "redis-executor-"));
  stops.push(() => rm(folder, { recursive: true }));
  await build({
    entryPoints: [fileURLToPath(new URL("../../src/runtime/executors.ts", import.meta.url))],
    outfile: join(folder, "executors.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["bullmq", "ioredis"],
  });
  const script = `import { createExecutors } from "./executors.mjs";
const url = "redis://127.0.0.1:1";
const byVariable = createExecutors({ config: { redis: { prefix: "a" }, postgres: {} }, env: { ORCHESTRATOR_REDIS_URL: url } });
await byVariable.start();
console.log(byVariable.modes.has("redis"));
await createExecutors({ config: { redis: { prefix: "a", url }, postgres: {} }, env: {} }).start().catch((error) => console.log(error.message));`;
  await writeFile(join(folder, "start.mjs"), script);
  const { output } = await runNode(["start.mjs"], folder);
  expect(output).toBe(
    "false\nThe executor redis needs the packages bullmq and ioredis. Install them with `npm install bullmq ioredis@5`.\n",
  );
});
