import { expect, test } from "vitest";
import {
  callbackAttempts,
  callbackDelay,
  callbackToken,
  parseCallbackToken,
} from "../../src/core/callback.ts";

const middle = { random: () => 0.5 };

test("attempts are further apart each time, over some hours, and then there is none", () => {
  const waits = Array.from({ length: callbackAttempts }, (_, index) =>
    callbackDelay(index + 1, middle),
  );
  expect(waits.map((wait) => wait && wait / 1000)).toEqual([
    5,
    30,
    120,
    600,
    1800,
    3600,
    10_800,
    21_600,
    undefined,
  ]);
});

test("a wait is a tenth more or less", () => {
  expect(callbackDelay(1, { random: () => 0 })).toBe(4500);
  expect(callbackDelay(1, { random: () => 0.999_999 })).toBe(5500);
});

test("the receiver may ask for more, within bounds, and not for less", () => {
  expect(callbackDelay(1, { ...middle, retryAfter: 1000 })).toBe(5000);
  expect(callbackDelay(1, { ...middle, retryAfter: 60_000 })).toBe(60_000);
  expect(callbackDelay(1, { ...middle, retryAfter: 1e12 })).toBe(21_600_000);
  expect(callbackDelay(callbackAttempts, { ...middle, retryAfter: 1000 })).toBeUndefined();
});

test("a token names its run, and another kind of token none", () => {
  expect(parseCallbackToken(callbackToken("wrun_1"))).toBe("wrun_1");
  expect(parseCallbackToken("@runners/orchestrator//checkpoint/wrun_1/1/1/a")).toBeUndefined();
});
