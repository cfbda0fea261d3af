import { expect, test } from "vitest";
import { parseRetryAfter } from "../../src/core/retry-after.ts";

const now = Date.parse("2026-01-01T00:00:00Z");

test.each([
  ["seconds", "2", 2000],
  ["no seconds at all", "0", 0],
  ["a date to come", "Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
  ["a date that has passed", "Wed, 31 Dec 2025 00:00:00 GMT", 0],
  ["something else", "soon", undefined],
  ["an empty header", " ", undefined],
  ["no header", null, undefined],
])("%s", (_, value, expected) => {
  expect(parseRetryAfter(value, now)).toBe(expected);
});
