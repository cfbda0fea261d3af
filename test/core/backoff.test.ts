import * as fc from "fast-check";
import { expect, test } from "vitest";
import { backoff } from "../../src/core/backoff.ts";

// The same cases in every run.
fc.configureGlobal({ seed: 1 });

test("the bound doubles with each failure", () => {
  const random = () => 0.5;
  expect([1, 2, 3].map((failures) => backoff(failures, { base: 100, random }))).toEqual([
    50, 100, 200,
  ]);
});

test("the bound never passes the maximum", () => {
  const random = () => 0.999_999;
  expect(backoff(2000, { base: 100, max: 500, random })).toBe(499);
});

test("full jitter starts at 0", () => {
  expect(backoff(5, { random: () => 0 })).toBe(0);
});

test("a wait is always within its bounds", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (n, r) => {
        const wait = backoff(n, { base: 10, max: 1000, random: () => r });
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThan(Math.min(1000, 10 * 2 ** (n - 1)));
      },
    ),
  );
});
