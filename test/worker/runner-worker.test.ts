import { expect, test, vi } from "vitest";
import { createRunnerWorker, type RunnerWorkerOptions } from "../../src/worker/runner-worker.ts";
import type { SourceWorker, WorkSource } from "../../src/worker/source.ts";
import type { RunnerContext } from "../../src/types/runner.ts";
import type { WorkOrder } from "../../src/types/work.ts";

const pass = async (): Promise<object> => ({ status: "pass" });

/** Runs until it is aborted, and then as long as it takes to say so. */
function hang({ signal }: RunnerContext): Promise<object> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve({ status: "pass" }), { once: true });
  });
}

/** A source whose orders a test hands out. */
function createSource(start: () => Promise<void> = async () => {}) {
  const calls: string[] = [];
  let worker!: SourceWorker;
  const source: WorkSource = {
    place: "the test",
    async start(given) {
      calls.push("start");
      worker = given;
      await start();
    },
    pause: async () => void calls.push("pause"),
    close: async () => void calls.push("close"),
  };
  return {
    calls,
    asked: () => worker,
    give(runner: string, order: Partial<WorkOrder> = {}, signal = new AbortController().signal) {
      const request = { url: "https://x.test/", runners: [runner] };
      const full = { idempotencyKey: "r/j", attempt: 1, request, timeout: 10_000, ...order };
      return worker.take(full, { signal, onEvent: () => {} });
    },
    conductor: { workSource: () => source },
  };
}

function setup(more: Partial<RunnerWorkerOptions> = {}, start?: () => Promise<void>) {
  const source = createSource(start);
  const log = vi.fn<(message: string, fields?: object) => void>();
  const worker = createRunnerWorker({
    conductor: source.conductor,
    runners: { pass, hang },
    id: "w1",
    signals: false,
    log,
    ...more,
  });
  const said = (): string[] => log.mock.calls.map(([message]) => message);
  return { ...source, worker, log, said };
}

test("it tells its source who it is, and its log what it pulls", async () => {
  const { worker, log, asked } = setup({ region: "eu", concurrency: 3 });
  await worker.start();
  expect(asked()).toMatchObject({ id: "w1", region: "eu", concurrency: 3 });
  expect(log.mock.calls).toEqual([
    ["pulling", { from: "the test", region: "eu", concurrency: 3, runners: ["pass", "hang"] }],
  ]);
  await expect(worker.start()).rejects.toThrow("Worker w1 has been started before");
  await worker.stop();
});

test("orders are answered as a runner server would answer them", async () => {
  const { worker, give, said, log } = setup();
  await worker.start();
  expect(await give("pass")).toMatchObject({
    kind: "answered",
    answer: { status: 200, worker: "w1", body: { results: [{ name: "pass", status: "pass" }] } },
  });
  expect(await give("nope")).toMatchObject({
    kind: "answered",
    answer: { status: 500, body: { code: "RUNNER_NOT_FOUND" } },
  });
  expect(said()).toEqual(["pulling", "order", "order"]);
  expect(log.mock.calls[1]![1]).toMatchObject({
    order: "r/j",
    attempt: 1,
    outcome: "answered",
    status: 200,
  });
  await worker.stop();
});

test("an order whose time is up is told as such, and its runner is aborted", async () => {
  const { worker, give } = setup();
  await worker.start();
  expect(await give("hang", { timeout: 50 })).toEqual({ kind: "timed-out" });
  await worker.stop();
});

test("an order that its source aborts is nobody's", async () => {
  const { worker, give } = setup();
  await worker.start();
  const abort = new AbortController();
  const outcome = give("hang", {}, abort.signal);
  abort.abort();
  expect(await outcome).toEqual({ kind: "aborted" });
  expect(await give("hang", {}, abort.signal)).toEqual({ kind: "aborted" });
  await worker.stop();
});

test("it stops: no new orders, then those it has, then what is left goes back, then the source", async () => {
  const { worker, give, calls, said } = setup({ stopTimeout: 50 });
  await worker.start();
  const outcome = give("hang").then((value) => (calls.push("returned"), value));
  const [one, other] = [worker.stop(), worker.stop()];
  expect(one).toBe(other);
  await one;
  await worker.stopped;
  expect(await outcome).toEqual({ kind: "returned" });
  expect(calls).toEqual(["start", "pause", "returned", "close"]);
  expect(said()).toEqual(["pulling", "order", "stopped"]);
});

test("an order that was claimed in the moment of a stop goes back", async () => {
  const { worker, give } = setup();
  await worker.start();
  const stopping = worker.stop();
  await new Promise((resolve) => setImmediate(resolve));
  expect(await give("hang")).toEqual({ kind: "returned" });
  await stopping;
});

test("it stops after a start that failed, and before one", async () => {
  const failing = setup({}, () => Promise.reject(new Error("no such host")));
  await expect(failing.worker.start()).rejects.toThrow("no such host");
  await failing.worker.stopped;
  expect(failing.calls).toEqual(["start", "pause", "close"]);
  const idle = setup();
  await idle.worker.stop();
  expect(idle.calls).toEqual([]);
  await expect(idle.worker.start()).rejects.toThrow("has been started before");
});

test("it is told to stop while it starts: what has started by then is let go of", async () => {
  let start!: () => void;
  const started = new Promise<void>((resolve) => (start = resolve));
  const { worker, calls, said } = setup({}, () => started);
  const starting = worker.start();
  await worker.stop();
  start();
  await starting;
  expect(calls.slice(-2)).toEqual(["pause", "close"]);
  expect(calls.lastIndexOf("start")).toBe(0);
  expect(calls.length).toBe(5);
  expect(said()).not.toContain("pulling");
});

test("the same signal twice at once, as npm passes it on, lets orders end all the same", async () => {
  const exit = vi.spyOn(process, "exit").mockReturnValue(undefined as never);
  const { worker, give, calls } = setup({ signals: true, stopTimeout: 100 });
  await worker.start();
  const outcome = give("hang");
  process.emit("SIGINT", "SIGINT");
  // Without a listener, it would end the process.
  expect(process.listenerCount("SIGINT")).toBeGreaterThan(0);
  process.emit("SIGINT", "SIGINT");
  expect(exit).not.toHaveBeenCalled();
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.emit("SIGINT", "SIGINT");
  expect(exit).toHaveBeenCalledWith(130);
  exit.mockRestore();
  await worker.stopped;
  expect(await outcome).toEqual({ kind: "returned" });
  expect(calls.at(-1)).toBe("close");
});

test("it stops at SIGTERM, and listens no longer than that", async () => {
  const before = process.listenerCount("SIGTERM");
  const { worker, log } = setup({ signals: true });
  await worker.start();
  expect(process.listenerCount("SIGTERM")).toBe(before + 1);
  process.emit("SIGTERM", "SIGTERM");
  await worker.stopped;
  expect(log).toHaveBeenCalledWith("stopping", { signal: "SIGTERM" });
  expect(process.listenerCount("SIGTERM")).toBe(before);
});

test.each<[unknown, string]>([
  [undefined, " must be an object with `runners` and `redis` or `conductor` (got undefined)"],
  [{ runners: { pass } }, " must have one of `redis` and `conductor`"],
  [
    { runners: { pass }, redis: "redis://x", conductor: {} },
    " must have one of `redis` and `conductor`",
  ],
  [{ redis: "redis://x", runners: {} }, ".runners must have at least one runner"],
  [{ redis: "redis://x", runners: [] }, ".runners must be an object of runner functions by name"],
  [
    { redis: "http://:secret@x", runners: { pass } },
    ".redis.url must be a URL such as redis://localhost:6379",
  ],
  [{ redis: 6379, runners: { pass } }, ".redis must be a URL, or {url, prefix} (got 6379)"],
  [{ conductor: {}, runners: { pass } }, ".conductor must be a Conductor (got [object Object])"],
  [{ runner: pass }, ".runner is not an option. Known: redis, conductor, runners, "],
  [
    { redis: "redis://x", runners: { pass }, region: "" },
    '.region must be a text of 1 to 200 characters (got "")',
  ],
  [
    { redis: "redis://x", runners: { pass }, concurrency: 0 },
    ".concurrency must be a whole number from 1 to 10000 (got 0)",
  ],
  [
    { redis: "redis://x", runners: { pass }, id: "a b" },
    '.id must be 1 to 200 visible ASCII characters (got "a b")',
  ],
  [
    { redis: "redis://x", runners: { pass }, timeout: 0.5 },
    ".timeout must be a whole number from 1 to 2147483647 (got 0.5)",
  ],
  [
    { redis: "redis://x", runners: { pass }, stopTimeout: -1 },
    ".stopTimeout must be a whole number from 0 to 2147483647 (got -1)",
  ],
  [{ redis: "redis://x", runners: { pass }, log: true }, ".log must be a function (got true)"],
  [{ redis: "redis://x", runners: { pass }, signals: 1 }, ".signals must be true or false (got 1)"],
])("%j is refused", (options, message) => {
  const act = (): unknown => createRunnerWorker(options as RunnerWorkerOptions);
  expect(act).toThrow(TypeError);
  expect(act).toThrow(`createRunnerWorker: options${message}`);
});
