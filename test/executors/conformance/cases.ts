import { expect } from "vitest";
import { until } from "../../_support/api.ts";
import type { CaseName } from "./fixture.ts";
import type { Attempt, Case } from "./suite.ts";

const MiB = 1024 * 1024;

/** What an execution rejects with. */
function failure(execution: Promise<unknown>): Promise<Record<string, any>> {
  return execution.then(
    (reply) => Promise.reject(new Error(`it was answered: ${JSON.stringify(reply).slice(0, 200)}`)),
    (error: unknown) => error as Record<string, any>,
  );
}

function written(attempt: Attempt, line: string): Promise<void> {
  return until(() => attempt.lines().includes(line), 15_000);
}

/** Cases that share a backend. */
export const cases: Partial<Record<CaseName, Case>> = {
  async "results come as they are"({ subject, region, startWorker, attempt }) {
    await startWorker();
    const { request, lines } = attempt("pass");
    expect(await subject.executor.execute(request)).toMatchObject({
      region,
      runId: "run-1",
      results: [{ name: "pass", status: "pass", details: { region, runId: "run-1" } }],
    });
    expect(lines()).toEqual(["pass"]);
  },

  async "a failing result is a result"({ subject, startWorker, attempt }) {
    await startWorker();
    const reply = await subject.executor.execute(attempt("fail").request);
    expect(reply.results).toMatchObject([
      { name: "fail", status: "fail", errorMessage: "the title is wrong" },
    ]);
  },

  async "an unknown runner is refused as the contract has it"({ subject, startWorker, attempt }) {
    await startWorker();
    const error = await failure(subject.executor.execute(attempt("nope").request));
    expect(error).toMatchObject({
      code: "RUNNER_NOT_FOUND",
      retryable: false,
      data: { missingRunners: ["nope"] },
    });
    expect(error.data.availableRunners).toContain("pass");
  },

  async "an input that violates its schema is refused as the contract has it"(context) {
    const { subject, startWorker, attempt } = context;
    await startWorker();
    const { request, lines } = attempt("strict", { input: { age: "old" } });
    expect(await failure(subject.executor.execute(request))).toMatchObject({
      code: "INPUT_VALIDATION_FAILED",
      retryable: false,
      data: { runnerName: "strict", issues: [{ path: ["age"] }] },
    });
    expect(lines()).toEqual([]);
  },

  async "what runners tell comes in order, and each once"({ subject, startWorker, attempt }) {
    await startWorker();
    const { request, events } = attempt("tell", { input: { count: 200 } });
    await subject.executor.execute(request);
    const told = events.map((event) => ("message" in event ? event.message : event.data));
    const expected = Array.from({ length: 200 }, (_, n) => [`line ${n}`, { n }]).flat();
    expect(told).toEqual(expected);
  },

  async "an answer that is too large is refused"({ subject, startWorker, attempt }) {
    await startWorker();
    const { request } = attempt("big", { input: { count: 6 * MiB } });
    expect(await failure(subject.executor.execute(request))).toMatchObject({
      code: "RESPONSE_TOO_LARGE",
      retryable: false,
    });
  },

  async "an order that is too large is refused"({ subject, startWorker, attempt }) {
    await startWorker();
    const { request, lines } = attempt("pass", { input: { text: "x".repeat(MiB + 1) } });
    expect(await failure(subject.executor.execute(request))).toMatchObject({
      code: "SERVER_REJECTED",
      retryable: false,
    });
    expect(lines()).toEqual([]);
  },

  async "an attempt's time is up"({ subject, fixture, startWorker, attempt }) {
    await startWorker();
    const hanging = attempt("hang", { timeout: 500 });
    expect(await failure(subject.executor.execute(hanging.request))).toMatchObject({
      code: "SERVER_TIMEOUT",
      retryable: true,
    });
    if (fixture.goesOn === undefined) await written(hanging, "aborted");
  },

  async "aborting an attempt aborts its runner"({ subject, startWorker, attempt }) {
    await startWorker();
    const hanging = attempt("hang");
    const execution = failure(subject.executor.execute(hanging.request));
    await written(hanging, "hang");
    const reason = new Error("the run was cancelled");
    hanging.abort(reason);
    expect(await execution).toBe(reason);
    await written(hanging, "aborted");
  },

  async "an aborted attempt that nobody has begun is taken back"(context) {
    const { subject, startWorker, attempt } = context;
    const waiting = attempt("pass");
    const execution = failure(subject.executor.execute(waiting.request));
    const known = (): Promise<boolean> => subject.executor.knows!(waiting.request);
    await until(known, 5000);
    const reason = new Error("the run was cancelled");
    waiting.abort(reason);
    expect(await execution).toBe(reason);
    await startWorker();
    // What comes after it in the same queue is executed, so that it would have been.
    await subject.executor.execute(attempt("pass").request);
    expect(waiting.lines()).toEqual([]);
  },

  async "an attempt handed in twice is executed once"({ subject, startWorker, attempt }) {
    await startWorker();
    const { request, lines } = attempt("slow", { input: { count: 300 } });
    const { executor } = subject;
    const replies = await Promise.all([executor.execute(request), executor.execute(request)]);
    expect(replies[1]).toEqual(replies[0]);
    expect(lines()).toEqual(["slow", "slept"]);
  },

  async "an attempt that ended is answered from the first"({ subject, startWorker, attempt }) {
    await startWorker();
    const { request, lines } = attempt("pass");
    const first = await subject.executor.execute(request);
    expect(await subject.executor.execute(request)).toEqual(first);
    expect(await (await subject.another()).execute(request)).toEqual(first);
    expect(lines()).toEqual(["pass"]);
  },

  async "another process joins an attempt under way"(context) {
    const { subject, fixture, startWorker, attempt } = context;
    await startWorker();
    const slow = attempt("slow", { input: { count: 500 } });
    const first = subject.executor.execute(slow.request);
    await written(slow, "slow");
    let joined: string | undefined;
    const other = await subject.another();
    const second = other.execute({ ...slow.request, onStart: (id) => (joined = id) });
    expect(await second).toEqual(await first);
    if (fixture.pulls) expect(joined).toBe(await slow.begun);
    expect(slow.lines()).toEqual(["slow", "slept"]);
  },

  async "attempts go to workers of their region"({ subject, region, startWorker, attempt }) {
    const other = `${region} / & other`;
    await Promise.all([startWorker(), startWorker(other)]);
    const here = attempt("pass");
    const there = attempt("pass", { region: other });
    const replies = await Promise.all(
      [here, there].map(({ request }) => subject.executor.execute(request)),
    );
    expect(replies.map(({ results }) => results[0]!.details!.region)).toEqual([region, other]);
  },

  async "without a worker it waits, and then says so"({ subject, region, attempt }) {
    const { request } = attempt("pass", { wait: 1200 });
    expect(await failure(subject.executor.execute(request))).toMatchObject({
      code: "NO_SERVER_AVAILABLE",
      message: expect.stringContaining(region),
    });
  },

  async "a worker that dies is noticed within 15 seconds"(context) {
    const { subject, fixture, startWorker, attempt } = context;
    const worker = await startWorker();
    const hanging = attempt("hang");
    const execution = failure(subject.executor.execute(hanging.request));
    await written(hanging, "hang");
    const diedAt = Date.now();
    await worker.kill();
    expect(await execution).toMatchObject({ code: fixture.crash, retryable: true });
    expect(Date.now() - diedAt).toBeLessThan(15_000);
  },

  async "a worker that stops gives back what it cannot end"(context) {
    const { subject, startWorker, attempt } = context;
    const worker = await startWorker();
    const hanging = attempt("hang");
    const execution = failure(subject.executor.execute(hanging.request));
    await written(hanging, "hang");
    await startWorker();
    expect(await worker.stop()).toBe(0);
    // The other one has begun it anew.
    await until(() => hanging.lines().filter((line) => line === "hang").length === 2, 10_000);
    hanging.abort(new Error("enough"));
    await execution;
  },
};

/** Cases for which a worker must not be there, or ends. */
export const casesAlone: ReadonlySet<CaseName> = new Set([
  "an aborted attempt that nobody has begun is taken back",
  "attempts go to workers of their region",
  "without a worker it waits, and then says so",
  "a worker that dies is noticed within 15 seconds",
  "a worker that stops gives back what it cannot end",
]);

/** Cases that end the backend under the feet of all. */
export const backendCases: Partial<Record<CaseName, Case>> = {
  async "attempts under way survive a backend that goes and comes back"(context) {
    const { subject, startWorker, attempt } = context;
    await startWorker();
    const slow = attempt("slow", { input: { count: 1000 } });
    const queued = attempt("pass");
    const executions = [slow, queued].map(({ request }) => subject.executor.execute(request));
    await written(slow, "slow");
    await subject.breakBackend();
    await written(slow, "slept");
    await subject.restoreBackend();
    const replies = await Promise.all(executions);
    expect(replies.map(({ results }) => results[0]!.status)).toEqual(["pass", "pass"]);
    expect(slow.lines()).toEqual(["slow", "slept"]);
    expect(queued.lines()).toEqual(["pass"]);
  },

  async "a backend that stays away is told as such"({ subject, startWorker, attempt }) {
    await startWorker();
    const impatient = await subject.another();
    const hanging = attempt("hang");
    const execution = failure(impatient.execute(hanging.request));
    await written(hanging, "hang");
    await subject.breakBackend();
    expect(await execution).toMatchObject({ code: "SERVER_UNREACHABLE", retryable: true });
    expect(await failure(impatient.execute(attempt("pass").request))).toMatchObject({
      code: "SERVER_UNREACHABLE",
      retryable: true,
    });
    await subject.restoreBackend();
    expect((await impatient.execute(attempt("pass").request)).results[0]!.status).toBe("pass");
    // Nobody waits for it any more.
    await written(hanging, "aborted");
  },
};
