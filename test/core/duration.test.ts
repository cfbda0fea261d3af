import { expect, test } from "vitest";
import { parseDuration } from "../../src/core/duration.ts";

test.each([
  [0, 0],
  [1500.5, 1500.5],
  ["250ms", 250],
  ["30s", 30_000],
  ["1.5m", 90_000],
  ["2 h", 7_200_000],
  ["7d", 604_800_000],
  ["1w", 604_800_000],
])("%j is a duration", (value, milliseconds) => {
  expect(parseDuration(value)).toBe(milliseconds);
});

test.each([
  -1,
  Number.NaN,
  Infinity,
  "",
  "5",
  "s",
  "-1s",
  "1 day",
  "1s ",
  " 1s",
  "1M",
  null,
  {},
  [],
])("%j is none", (value) => {
  expect(parseDuration(value)).toBeUndefined();
});
