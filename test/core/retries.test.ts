import { expect, test, vi } from "vitest";
import { type ErrorCode, OrchestratorError } from "../../src/core/errors.ts";
import { fail, ids, job, reply, server, setup, watch } from "./dispatcher.ts";

test("a retryable failure moves to a server of the region not tried yet, at once", async () => {
  const servers = [server("a"), server("us", "us"), server("b"), server("c")];
  const { clock, dispatcher, calls } = setup(servers, async ({ server }) => {
    if (server.id !== "c") throw fail("SERVER_ERROR");
    return reply;
  });
  const result = await dispatcher.execute({ id: "a" }, job, ids);
  expect(calls.map(({ server }) => server.id)).toEqual(["a", "b", "c"]);
  expect(result.attempts).toMatchObject([
    {
      number: 1,
      server: "a",
      outcome: "failed",
      error: { code: "SERVER_ERROR", message: "SERVER_ERROR happened" },
    },
    { number: 2, server: "b", outcome: "failed" },
    { number: 3, server: "c", outcome: "answered" },
  ]);
  expect(clock.pending()).toBe(0);
});

test("every attempt sends the same key and a rising number", async () => {
  const { dispatcher, calls } = setup([server("a"), server("b")], async ({ attempt }) => {
    if (attempt === 1) throw fail("SERVER_UNREACHABLE");
    return reply;
  });
  await dispatcher.execute({ id: "a" }, job, ids);
  expect(calls.map(({ idempotencyKey, attempt }) => [idempotencyKey, attempt])).toEqual([
    ["r1/j1", 1],
    ["r1/j1", 2],
  ]);
});

test("the same server is asked again only after a backoff", async () => {
  const { clock, dispatcher, calls } = setup([server("a")], async ({ attempt }) => {
    if (attempt === 1) throw fail("SERVER_ERROR");
    return reply;
  });
  const seen = watch(dispatcher.execute({ id: "a" }, job, ids));
  await clock.advance(99);
  expect(calls).toHaveLength(1);
  await clock.advance(1);
  expect(seen.value).toMatchObject({ server: "a" });
});

test("the same server is asked again only after the time it asked for", async () => {
  const { clock, dispatcher, calls } = setup([server("a")], async ({ attempt }) => {
    if (attempt === 1) throw fail("SERVER_ERROR", { retryAfter: 3000 });
    return reply;
  });
  const seen = watch(dispatcher.execute({ id: "a" }, job, ids));
  await clock.advance(2999);
  expect(calls).toHaveLength(1);
  await clock.advance(1);
  expect(seen.value).toBeDefined();
});

test("a server may not ask for more time than a job waits", async () => {
  const { clock, dispatcher } = setup(
    [server("a")],
    async ({ attempt }) => {
      if (attempt === 1) throw fail("SERVER_ERROR", { retryAfter: 3_600_000 });
      return reply;
    },
    { wait: 500 },
  );
  const seen = watch(dispatcher.execute({ id: "a" }, job, ids));
  await clock.advance(500);
  expect(seen.value).toBeDefined();
});

test("a failure that is not retryable is final and keeps its code and data", async () => {
  const { dispatcher, calls } = setup([server("a"), server("b")], async () => {
    throw new OrchestratorError("RUNNER_NOT_FOUND", "not found", {
      data: { missingRunners: ["a"] },
    });
  });
  await expect(dispatcher.execute({ id: "a" }, job, ids)).rejects.toMatchObject({
    code: "RUNNER_NOT_FOUND",
    message: "Job j1 failed after 1 attempt: a: not found",
    data: { missingRunners: ["a"], jobId: "j1", attempts: [{ server: "a", outcome: "failed" }] },
  });
  expect(calls).toHaveLength(1);
});

test("an error of the executor itself is final", async () => {
  const { dispatcher, registry, calls } = setup([server("a"), server("b")], async () => {
    throw new TypeError("bug");
  });
  const report = vi.spyOn(registry, "report");
  await expect(dispatcher.execute({ id: "a" }, job, ids)).rejects.toMatchObject({
    code: "EXECUTION_FAILED",
    message: "Job j1 failed after 1 attempt: a: The fake executor failed: bug",
  });
  expect(calls).toHaveLength(1);
  expect(report).not.toHaveBeenCalled();
});

test("when all attempts are used up the error tells each server and its reason", async () => {
  const codes: ErrorCode[] = ["SERVER_UNREACHABLE", "SERVER_TIMEOUT"];
  const { dispatcher } = setup(
    [server("a"), server("b")],
    async ({ attempt }) => {
      throw fail(codes[attempt - 1]!);
    },
    { attempts: 2 },
  );
  await expect(dispatcher.execute({ id: "a" }, job, ids)).rejects.toMatchObject({
    code: "ATTEMPTS_EXHAUSTED",
    retryable: false,
    message:
      "Job j1 failed after 2 attempts: a: SERVER_UNREACHABLE happened; b: SERVER_TIMEOUT happened",
    data: { attempts: [{ server: "a" }, { server: "b" }] },
  });
});

test("a job all of whose attempts timed out has timed out", async () => {
  const { dispatcher } = setup(
    [server("a"), server("b")],
    async () => {
      throw fail("SERVER_TIMEOUT");
    },
    { attempts: 2 },
  );
  await expect(dispatcher.execute({ id: "a" }, job, ids)).rejects.toMatchObject({
    code: "SERVER_TIMEOUT",
  });
});

test("a job that finds no server for its next attempt fails with those it made", async () => {
  const { clock, dispatcher, registry } = setup(
    [server("a")],
    async () => {
      await registry.report("a", { ok: false, error: "down" });
      throw fail("SERVER_ERROR");
    },
    { wait: 500 },
  );
  const seen = watch(dispatcher.execute({ id: "a" }, job, ids));
  await clock.advance(1000);
  expect(seen.error).toMatchObject({
    code: "ATTEMPTS_EXHAUSTED",
    message: expect.stringMatching(
      /^Job j1 failed after 1 attempt: a: SERVER_ERROR happened; No runner servers available for region eu: the circuit of a is open/,
    ),
  });
});

test("a healthy server that is merely full is waited for, rather than the one that failed", async () => {
  const servers = [server("a"), { ...server("b"), capacity: 1 }];
  const { clock, dispatcher, calls } = setup(servers, async ({ server }) => {
    if (server.id === "a") throw fail("SERVER_ERROR");
    return reply;
  });
  const held = await dispatcher.select([{ id: "b" }]);
  const seen = watch(dispatcher.execute({ id: "a" }, job, ids));
  await clock.advance(5000);
  expect(calls.map(({ server }) => server.id)).toEqual(["a"]);
  // The job that held the place is done with it.
  await dispatcher.execute(held, job, { ...ids, jobId: "other" });
  await clock.advance(1000);
  expect(calls.map(({ server }) => server.id)).toEqual(["a", "b", "b"]);
  expect(seen.value).toMatchObject({ server: "b" });
});
