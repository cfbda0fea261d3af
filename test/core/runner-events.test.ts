import { expect, test } from "vitest";
import { bytesOf, entryOf, eventsOnce } from "../../src/core/runner-events.ts";
import type { ExecuteRequest } from "../../src/types/executor.ts";
import type { RunnerEvent } from "../../src/types/runner.ts";
import { settled } from "./clock.ts";
import { fail, ids, job, reply, server, setup, watch } from "./dispatcher.ts";

const log = (message: string, at = 1): RunnerEvent => ({ event: "log", at, message, runner: "a" });
const checkpoint = (id: string): RunnerEvent => {
  return { event: "checkpoint", id, at: 1, type: "t", runner: "a" };
};

test.each(["", "abc", "ü", "€", "𝄞", "a\u0000üx€𝄞z"])("bytes of %j", (text) => {
  expect(bytesOf(text)).toBe(Buffer.byteLength(text));
});

test("an entry has no later time than ours, and no more than its event", () => {
  expect(entryOf(log("m", 50), "j", 40)).toEqual({
    type: "log",
    at: 40,
    message: "m",
    jobId: "j",
    runner: "a",
  });
  const event: RunnerEvent = {
    event: "checkpoint",
    id: "i",
    at: 5,
    type: "t",
    data: null,
    runner: "a",
  };
  expect(entryOf(event, "j", 40)).toEqual({
    type: "checkpoint",
    id: "i",
    at: 5,
    kind: "t",
    data: null,
    jobId: "j",
    runner: "a",
  });
});

test("an attempt that is told again what one before was told passes on only what is new", () => {
  const told: RunnerEvent[] = [];
  const attempt = eventsOnce((event) => told.push(event));
  const all = [log("x"), checkpoint("1"), log("x"), log("x", 2), checkpoint("2"), log("x")];
  const first = attempt();
  for (const event of all.slice(0, 3)) first(event);
  const second = attempt();
  for (const event of all) second(event);
  expect(told).toEqual(all);
});

/** Answers an execution from outside, with its request. */
function held() {
  const requests: ExecuteRequest[] = [];
  const settle: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  const execute = (request: ExecuteRequest): Promise<typeof reply> => {
    requests.push(request);
    return new Promise((resolve, reject) => {
      settle.push({ resolve: () => resolve(reply), reject });
    });
  };
  return { requests, settle, execute };
}

test("events of an attempt that is over are passed on no more, and those of the next are", async () => {
  const { requests, settle, execute } = held();
  const { dispatcher } = setup([server("a"), server("b")], execute);
  const told: unknown[] = [];
  const onEvent = (event: RunnerEvent) => told.push(event);
  const seen = watch(dispatcher.dispatch(job, { ...ids, onEvent }));
  await settled();
  requests[0]!.onEvent!(log("first"));
  settle[0]!.reject(fail("SERVER_TIMEOUT"));
  await settled();
  requests[0]!.onEvent!(log("overtaken"));
  requests[1]!.onEvent!(log("first"));
  requests[1]!.onEvent!(log("second"));
  settle[1]!.resolve();
  await settled();
  requests[1]!.onEvent!(log("late"));
  expect(told).toEqual([log("first"), log("second")]);
  expect(seen.value).toMatchObject({ attempts: [{}, {}] });
});

test("events of an aborted attempt are passed on no more", async () => {
  const { requests, execute } = held();
  const { dispatcher } = setup([server("a")], execute);
  const abort = new AbortController();
  const told: unknown[] = [];
  const context = {
    ...ids,
    signal: abort.signal,
    onEvent: (event: RunnerEvent) => told.push(event),
  };
  void watch(dispatcher.dispatch(job, context));
  await settled();
  requests[0]!.onEvent!(log("before"));
  abort.abort(new Error("cancelled"));
  requests[0]!.onEvent!(log("after"));
  expect(told).toEqual([log("before")]);
});

test("who wants no events asks for none", async () => {
  const { dispatcher, calls } = setup([server("a")]);
  await dispatcher.dispatch(job, ids);
  expect(calls[0]).not.toHaveProperty("onEvent");
});
