import * as fc from "fast-check";
import { expect, test } from "vitest";
import { splitIntoShards } from "../../src/core/shards.ts";

// The same cases in every run.
fc.configureGlobal({ seed: 1 });

const jobs = fc.nat(12_000).map((length) => Array.from({ length }, (_, index) => index));
const concurrency = fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: undefined });

test("every job is in one shard, in order, and none is empty", () => {
  fc.assert(
    fc.property(jobs, concurrency, (jobs, concurrency) => {
      const shards = splitIntoShards(jobs, concurrency);
      expect(shards.flatMap((shard) => shard.jobs)).toEqual(jobs);
      expect(shards.filter((shard) => shard.jobs.length === 0)).toEqual([]);
    }),
  );
});

test("windows of shards add up to the concurrency, and each has a place", () => {
  fc.assert(
    fc.property(jobs, concurrency, (jobs, concurrency) => {
      const windows = splitIntoShards(jobs, concurrency).map(({ window }) => window);
      if (concurrency === undefined) {
        expect(windows.filter((window) => window !== undefined)).toEqual([]);
      } else if (jobs.length > 0) {
        expect(windows.reduce((sum, window) => sum! + window!, 0)).toBe(concurrency);
        expect(windows.every((window) => window! >= 1)).toBe(true);
      }
    }),
  );
});

test("shards are of one size, as few as serve", () => {
  fc.assert(
    fc.property(jobs, concurrency, (jobs, concurrency) => {
      const sizes = splitIntoShards(jobs, concurrency).map((shard) => shard.jobs.length);
      if (sizes.length === 0) return;
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(sizes.length).toBeLessThanOrEqual(Math.min(32, concurrency ?? 32));
    }),
  );
});

test.each([
  [0, undefined, 0],
  [1, undefined, 1],
  [50, undefined, 1],
  [51, undefined, 2],
  [1000, undefined, 20],
  [10_000, undefined, 32],
  [10_000, 3, 3],
  [10_000, 1, 1],
])("%i jobs with a concurrency of %s are %i shards", (length, concurrency, count) => {
  expect(splitIntoShards(Array.from({ length }), concurrency)).toHaveLength(count);
});
