import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { awaitedToken, parseAwaitedToken } from "../../src/core/awaited.ts";
import { createEventFold } from "../../src/core/run-events.ts";
import type { JournalEntry } from "../../src/types/journal.ts";

function eventsOf(...entries: JournalEntry[]) {
  const fold = createEventFold("r");
  return entries.map((entry) => fold.next(entry));
}

const checkpoint = (id: string, at: number): JournalEntry => ({
  type: "checkpoint",
  id,
  at,
  kind: "tick",
});

describe("checkpoints", () => {
  test("have times that strictly increase, whatever the clocks said, the same for every reader", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 }), (clock) => {
        const entries = clock.map((at, index) => checkpoint(`c${index}`, at));
        const told = eventsOf(...entries);
        const times = told.map((event) => (event?.event === "checkpoint" ? event.data.ts : ""));
        expect(times).toEqual([...new Set(times)].toSorted());
        expect(eventsOf(...entries)).toEqual(told);
      }),
    );
    const [one, two, three] = eventsOf(
      checkpoint("a", 1000),
      checkpoint("b", 999),
      checkpoint("c", 5000),
    );
    expect([one, two, three]).toMatchObject([
      { data: { ts: "1970-01-01T00:00:01.000Z" } },
      { data: { ts: "1970-01-01T00:00:01.001Z" } },
      { data: { ts: "1970-01-01T00:00:05.000Z" } },
    ]);
  });

  test("with an id that was there count for nothing", () => {
    const [first, again, other] = eventsOf(
      checkpoint("a", 1),
      checkpoint("a", 2),
      checkpoint("b", 2),
    );
    expect(first?.event).toBe("checkpoint");
    expect(again).toBeUndefined();
    expect(other?.data).toMatchObject({ id: "b", ts: "1970-01-01T00:00:00.002Z", runId: "r" });
  });
});

describe("jobs", () => {
  test("are told until they have ended, with what came of them", () => {
    const result = { jobId: "a", server: "s", results: [], attempts: [], durationMs: 1 };
    const told = eventsOf(
      { type: "job.waiting", jobId: "a", at: 1, reason: "all are full" },
      { type: "job.started", jobId: "a", at: 2 },
      { type: "job.waiting", jobId: "a", at: 3, reason: "again" },
      {
        type: "job.completed",
        jobId: "a",
        at: 4,
        durationMs: 2,
        result: { ...result, results: [{ name: "check", status: "pass" }] },
      },
      { type: "job.started", jobId: "a", at: 5 },
      { type: "job.timed_out", jobId: "b", at: 6, error: "too long", durationMs: 9 },
    );
    const about = (jobId: string, at: number): object => ({
      runId: "r",
      jobId,
      at: new Date(at).toISOString(),
    });
    expect(told.map((event) => event?.data)).toEqual([
      { ...about("a", 1), state: "queued", waiting: "all are full" },
      { ...about("a", 2), state: "running" },
      { ...about("a", 3), state: "running", waiting: "again" },
      { ...about("a", 4), state: "completed", server: "s", passed: true, durationMs: 2 },
      undefined,
      { ...about("b", 6), state: "timed_out", error: "too long", durationMs: 9 },
    ]);
  });

  test("know which have ended, and a line of the log is told with where it comes from", () => {
    const fold = createEventFold("r");
    fold.next({ type: "job.failed", jobId: "a", at: 1, error: "x" });
    expect([fold.hasEnded("a"), fold.hasEnded("b")]).toEqual([true, false]);
    const line = {
      type: "log",
      at: 1,
      message: "m",
      meta: { a: 1 },
      jobId: "b",
      runner: "c",
    } as const;
    expect(fold.next(line)).toEqual({
      event: "log",
      data: {
        runId: "r",
        at: "1970-01-01T00:00:00.001Z",
        message: "m",
        meta: { a: 1 },
        jobId: "b",
        runner: "c",
      },
    });
  });
});

test("a hook's token names what it waits for, whatever the type's name", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", minLength: 1 }),
      fc.nat(),
      fc.option(fc.integer({ min: 1 }), { nil: undefined }),
      (type, ordinal, deadline) => {
        const awaited = { runId: "wrun_1", ordinal, type, ...(deadline && { deadline }) };
        expect(parseAwaitedToken(awaitedToken(awaited, 3))).toEqual(awaited);
      },
    ),
  );
  for (const other of ["", "mine", "@runners/orchestrator//checkpoint/", "checkpoint/a/1/1/t"]) {
    expect(parseAwaitedToken(other)).toBeUndefined();
  }
});
