import { expect, test } from "vitest";
import { begin, drain, ended, failed, type Lifecycle, started } from "../../src/core/lifecycle.ts";

type Life = Lifecycle<string>;
const created: Life = { state: "created" };
const starting: Life = { state: "starting" };
const running: Life = { state: "running", live: "work" };
const draining: Life = { state: "draining", live: "work" };
const stopped: Life = { state: "stopped" };

test("from creation to end", () => {
  expect(begin(created)).toEqual(starting);
  expect(started(starting, "work")).toEqual(running);
  expect(drain(running)).toEqual(draining);
  expect(ended()).toEqual(stopped);
});

test.each([
  [starting, "was started before"],
  [running, "was started before"],
  [draining, "was started before"],
  [stopped, "has stopped"],
])("no start from $state", (life, why) => {
  expect(() => begin(life)).toThrow(
    expect.objectContaining({ code: "INVALID_STATE", message: expect.stringContaining(why) }),
  );
});

test("a stop while it starts takes down what came of the start", () => {
  const told = drain(starting);
  expect(told).toEqual({ state: "draining" });
  expect(started(told, "work")).toEqual(draining);
});

test("a start that fails may be tried again, unless it was told to stop", () => {
  expect(failed(starting)).toEqual(created);
  expect(failed(drain(starting))).toEqual(stopped);
});

test("what never ran stops at once; what stops goes on to stop", () => {
  expect(drain(created)).toEqual(stopped);
  expect(drain(draining)).toEqual(draining);
  expect(drain(stopped)).toEqual(stopped);
});
