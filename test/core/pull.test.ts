import { expect, test } from "vitest";
import { handedBack } from "../../src/core/handed-back.ts";
import { createPull, type PullAttempt } from "../../src/core/pull.ts";
import type { ExecuteContext } from "../../src/core/retries.ts";
import type { Executor, ExecuteRequest } from "../../src/types/executor.ts";
import type { JobResult, RunnerJob } from "../../src/types/run.ts";
import { createClock, settled } from "./clock.ts";
import { fail, ids, job as anyJob, reply, watch } from "./dispatcher.ts";

const job: RunnerJob = { ...anyJob, region: "eu" };

/** A dispatcher over a queue that a test has the workers of. */
function setup(
  execute: Executor["execute"] = async ({ onStart }) => {
    onStart?.("w1");
    return reply;
  },
  more: { execution?: object; aroundAttempt?: (attempt: PullAttempt) => PullAttempt } = {},
) {
  const clock = createClock(Date.parse("2026-01-01T00:00:00Z"));
  const calls: ExecuteRequest[] = [];
  const state = { workers: 1, known: false, looks: 0 };
  const executor: Executor = {
    name: "redis",
    execute(request) {
      calls.push(request);
      return execute(request);
    },
    async workers() {
      state.looks++;
      if (state.workers < 0) throw fail("SERVER_UNREACHABLE");
      return state.workers;
    },
    knows: async () => state.known,
  };
  const { execution, ...rest } = more;
  const pull = createPull({
    executor,
    execution: { attempts: 3, timeout: 5000, wait: 60_000, ...execution },
    now: clock.now,
    random: () => 0.5,
    sleep: clock.sleep,
    ...rest,
  });
  const run = (context: Partial<ExecuteContext> = {}): Promise<JobResult> =>
    pull(job, { ...ids, ...context });
  return { clock, calls, state, run };
}

test("a job goes to the queue of its region, and its attempt is the worker's", async () => {
  const { calls, run } = setup();
  expect(await run()).toEqual({
    jobId: "j1",
    server: "w1",
    region: "eu",
    results: reply.results,
    attempts: [
      {
        number: 1,
        server: "w1",
        startedAt: "2026-01-01T00:00:00.000Z",
        durationMs: 0,
        outcome: "answered",
      },
    ],
    durationMs: 0,
  });
  expect(calls).toMatchObject([
    {
      server: { id: "redis/eu", url: "", region: "eu" },
      idempotencyKey: "r1/j1",
      attempt: 1,
      timeout: 5000,
      wait: 60_000,
    },
  ]);
});

test("a job without a region goes to the queue of those without", async () => {
  const { calls, clock } = setup();
  const executor: Executor = {
    name: "redis",
    async execute(request) {
      calls.push(request);
      return reply;
    },
  };
  const execution = { attempts: 1, timeout: 1, wait: 1 };
  const pull = createPull({ executor, execution, sleep: clock.sleep });
  const result = await pull(anyJob, ids);
  expect(calls[0]!.server).toEqual({ id: "redis", url: "", region: "" });
  expect(result).not.toHaveProperty("region");
});

test("a lost worker's job is tried again under the same key, after a pause that others may use", async () => {
  const workers = ["w1", "w2"];
  const { clock, calls, run } = setup(async ({ onStart, attempt }) => {
    onStart?.(workers[attempt - 1]!);
    if (attempt === 1) throw fail("WORKER_LOST");
    return reply;
  });
  let asides = 0;
  const seen = watch(run({ aside: (wait) => (asides++, wait()) }));
  await clock.advance(99);
  expect(calls).toHaveLength(1);
  await clock.advance(1);
  expect(seen.value).toMatchObject({
    server: "w2",
    attempts: [
      { number: 1, server: "w1", outcome: "failed", error: { code: "WORKER_LOST" } },
      { number: 2, server: "w2", outcome: "answered" },
    ],
  });
  expect(calls.map(({ idempotencyKey, attempt }) => [idempotencyKey, attempt])).toEqual([
    ["r1/j1", 1],
    ["r1/j1", 2],
  ]);
  expect(asides).toBe(1);
});

test("attempts end at the configured number, and at an error that would come again", async () => {
  const lost = setup(async () => Promise.reject(fail("WORKER_LOST")));
  const seen = watch(lost.run());
  await lost.clock.advance(60_000);
  expect(lost.calls).toHaveLength(3);
  expect(seen.error).toMatchObject({ code: "ATTEMPTS_EXHAUSTED", data: { jobId: "j1" } });
  const refused = setup(async () =>
    Promise.reject(fail("RUNNER_NOT_FOUND", { retryable: false, data: { missingRunners: ["a"] } })),
  );
  await expect(refused.run()).rejects.toMatchObject({
    code: "RUNNER_NOT_FOUND",
    data: { missingRunners: ["a"], attempts: [{ server: "redis/eu" }] },
  });
});

test("without a worker the job is told to wait once, leaves its place, and goes when one comes", async () => {
  const { clock, calls, state, run } = setup();
  state.workers = 0;
  const reasons: string[] = [];
  let aside = false;
  const seen = watch(
    run({
      onWait: (reason) => void reasons.push(reason),
      async aside(wait) {
        aside = true;
        const answer = await wait();
        aside = false;
        return answer;
      },
    }),
  );
  await clock.advance(5000);
  expect({ aside, calls: calls.length }).toEqual({ aside: true, calls: 0 });
  expect(reasons).toEqual(['No worker of region "eu" is there']);
  state.workers = 1;
  await clock.advance(1000);
  expect(seen.value).toMatchObject({ server: "w1" });
  expect(aside).toBe(false);
});

test("without a worker for too long it fails, and jobs that wait together look together", async () => {
  const { clock, calls, state, run } = setup();
  state.workers = 0;
  const seen = [1, 2, 3].map(() => watch(run()));
  await clock.advance(59_000);
  expect(state.looks).toBeLessThan(65);
  expect(seen[0]!.error).toBeUndefined();
  await clock.advance(2000);
  expect(seen.map(({ error }) => error.code)).toEqual(Array(3).fill("NO_SERVER_AVAILABLE"));
  expect(calls).toEqual([]);
});

test("a job whose only worker died says too that no other came", async () => {
  const { clock, state, run } = setup(async () => {
    state.workers = 0;
    await clock.sleep(1000);
    throw fail("WORKER_LOST");
  });
  const seen = watch(run());
  await clock.advance(70_000);
  expect(seen.error.message).toMatch(
    /^Job j1 failed after 1 attempt: redis\/eu: .*; No worker of region "eu" is there$/,
  );
});

test("an attempt that was handed in before needs no worker to be joined", async () => {
  const { calls, state, run } = setup();
  state.workers = 0;
  state.known = true;
  expect(await run()).toMatchObject({ server: "w1" });
  expect(calls).toHaveLength(1);
});

test("where workers cannot be counted, the attempt says what is wrong", async () => {
  const { state, run } = setup(async () =>
    Promise.reject(fail("SERVER_UNREACHABLE", { retryable: false })),
  );
  state.workers = -1;
  await expect(run()).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
});

test("until a worker begins it, nothing is in flight; then something is", async () => {
  let begin = (): void => undefined;
  let answer = (): void => undefined;
  const { run } = setup(({ onStart }) => {
    begin = () => onStart?.("w1");
    return new Promise((resolve) => (answer = () => resolve(reply)));
  });
  let queued = false;
  const seen = watch(
    run({
      async queued(wait) {
        queued = true;
        const value = await wait();
        queued = false;
        return value;
      },
    }),
  );
  await settled();
  expect(queued).toBe(true);
  begin();
  await settled();
  expect(queued).toBe(false);
  answer();
  await settled();
  expect(seen.value).toBeDefined();
});

test.each([
  ["a job that is handed back stays with its worker", handedBack, false],
  ["a job that is cancelled is aborted at its worker", new Error("cancelled"), true],
])("%s", async (_name, reason, aborted) => {
  const { calls, run } = setup(({ onStart }) => {
    onStart?.("w1");
    return new Promise(() => undefined);
  });
  const abort = new AbortController();
  const seen = watch(run({ signal: abort.signal }));
  await settled();
  abort.abort(reason);
  await settled();
  expect(seen.error).toBe(reason);
  expect(calls[0]!.signal!.aborted).toBe(aborted);
});

test("what runners tell is passed on once over all attempts, and nothing after the end", async () => {
  const log = (message: string) =>
    ({ event: "log", at: 1, message, runner: "a" }) as const satisfies object;
  let late: ExecuteRequest["onEvent"];
  const { clock, run } = setup(async ({ onEvent, attempt }) => {
    onEvent?.(log("one"));
    if (attempt === 1) throw fail("WORKER_LOST");
    onEvent?.(log("two"));
    late = onEvent;
    return reply;
  });
  const told: unknown[] = [];
  const seen = watch(run({ onEvent: (event) => void told.push(event) }));
  await clock.advance(1000);
  expect(seen.value).toBeDefined();
  late?.(log("three"));
  expect(told).toEqual([log("one"), log("two")]);
});
