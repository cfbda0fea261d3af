import { expect, test } from "vitest";
import { retryDelay } from "../../src/core/task-retry.ts";

test("15, 30, 60 seconds, and then 60 again", () => {
  expect([1, 2, 3, 4, 50].map(retryDelay)).toEqual([15_000, 30_000, 60_000, 60_000, 60_000]);
});
