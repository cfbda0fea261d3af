import { expect, test } from "vitest";
import { sanitizeResult, sanitizeResults } from "../../src/core/runner-result.ts";

test("a good result stays as it is", () => {
  const result = { name: "a", status: "pass", details: { x: 1 }, errorMessage: "m", durationMs: 5 };
  expect(sanitizeResult(result)).toEqual(result);
});

test("an unknown status is an error that names it and keeps the message", () => {
  expect(sanitizeResult({ name: "a", status: "skipped", errorMessage: "no time" })).toEqual({
    name: "a",
    status: "error",
    errorMessage: 'Unknown status "skipped": no time',
  });
});

test("a missing status is an error", () => {
  expect(sanitizeResult({ name: "a" })).toMatchObject({
    status: "error",
    errorMessage: "Unknown status none",
  });
});

test("a missing name is the requested one", () => {
  expect(sanitizeResult({ status: "pass" }, "asked")).toEqual({ name: "asked", status: "pass" });
});

test.each([[[1]], ["text"], [null], [new Date()]])(
  "details that are no plain object are dropped (%j)",
  (details) => {
    expect(sanitizeResult({ name: "a", status: "pass", details })).not.toHaveProperty("details");
  },
);

test.each([
  ["durationMs", "5"],
  ["durationMs", Number.NaN],
  ["durationMs", -1],
  ["errorMessage", 5],
  ["other", 1],
])("a %s of %s is dropped", (key, value) => {
  expect(sanitizeResult({ name: "a", status: "pass", [key]: value })).toEqual({
    name: "a",
    status: "pass",
  });
});

test.each([null, "pass", [1]])("a result that is no object is an error (%j)", (value) => {
  expect(sanitizeResult(value, "asked")).toEqual({
    name: "asked",
    status: "error",
    errorMessage: "The result is not an object",
  });
});

test("a runner without a result is an error that names it", () => {
  const results = sanitizeResults([{ name: "b", status: "pass" }], ["a", { name: "b" }]);
  expect(results).toEqual([
    { name: "b", status: "pass" },
    {
      name: "a",
      status: "error",
      errorMessage: 'The server answered without a result for runner "a"',
    },
  ]);
});

test("a runner that is asked twice and answered once lacks one result", () => {
  const results = sanitizeResults([{ name: "a", status: "pass" }], ["a", "a"]);
  expect(results.map(({ name, status }) => [name, status])).toEqual([
    ["a", "pass"],
    ["a", "error"],
  ]);
});

test("a runner that answers under another name is not missing", () => {
  expect(sanitizeResults([{ name: "A page", status: "pass" }], ["a"])).toEqual([
    { name: "A page", status: "pass" },
  ]);
});

test("results nobody asked for are kept", () => {
  const values = [
    { name: "a", status: "pass" },
    { name: "b", status: "pass" },
  ];
  expect(sanitizeResults(values, ["a"])).toEqual(values);
});

test("no more runners are missing than the counts say, whatever names came", () => {
  const results = sanitizeResults([{ name: "A page", status: "pass" }], ["a", "b"]);
  expect(results.map(({ name }) => name)).toEqual(["A page", "b"]);
});
