import { expect, test } from "vitest";
import { createDurations } from "../../src/runtime/durations.ts";
import type { RunnerResult } from "../../src/types/runner.ts";

const url = "https://shop.example/";

function took(name: string, durationMs?: number): RunnerResult {
  return { name, status: "pass", ...(durationMs !== undefined && { durationMs }) };
}

test("a job is expected to take what its runners took before for the same url", () => {
  const durations = createDurations();
  const job = { url, runners: ["title", { name: "links" }, "unknown"] };
  expect(durations.expected(job)).toBe(0);
  durations.record(job, [took("title", 30), took("links", 400)]);
  expect(durations.expected(job)).toBe(430);
  expect(durations.expected({ url, runners: ["title"] })).toBe(30);
  expect(durations.expected({ url: "https://other.example/", runners: ["title"] })).toBe(0);
  expect(durations.expected({ runners: ["title"] })).toBe(0);
});

test("the latest duration counts, and a result without one changes nothing", () => {
  const durations = createDurations();
  const job = { url, runners: ["title"] };
  durations.record(job, [took("title", 30)]);
  durations.record(job, [took("title", 70)]);
  durations.record(job, [took("title")]);
  expect(durations.expected(job)).toBe(70);
});

test("10,000 are remembered; the one that was recorded longest ago goes first", () => {
  const durations = createDurations();
  const job = (n: number): { url: string; runners: string[] } => ({
    url: `${url}${n}`,
    runners: ["title"],
  });
  for (let n = 0; n < 10_000; n++) durations.record(job(n), [took("title", 1)]);
  // Recorded anew, the first is no longer the oldest.
  durations.record(job(0), [took("title", 2)]);
  durations.record(job(10_000), [took("title", 3)]);
  expect(durations.expected(job(0))).toBe(2);
  expect(durations.expected(job(1))).toBe(0);
  expect(durations.expected(job(2))).toBe(1);
  expect(durations.expected(job(10_000))).toBe(3);
});
