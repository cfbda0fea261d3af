import * as fc from "fast-check";
import { expect, test } from "vitest";
import { mapSettled } from "../../src/core/window.ts";
import { createClock, settled } from "./clock.ts";

// The same cases in every run.
fc.configureGlobal({ seed: 1 });

test("outcomes are in the items' order, rejections included", async () => {
  const outcomes = await mapSettled([3, 1, 2], 3, async (n) => {
    await new Promise((resolve) => setTimeout(resolve, n * 3));
    if (n === 1) throw new Error("one");
    return n * 10;
  });
  expect(outcomes).toEqual([
    { status: "fulfilled", value: 30 },
    { status: "rejected", reason: new Error("one") },
    { status: "fulfilled", value: 20 },
  ]);
});

test("a function that throws at once is a rejection too", async () => {
  const outcomes = await mapSettled([1], 1, () => {
    throw new Error("at once");
  });
  expect(outcomes).toEqual([{ status: "rejected", reason: new Error("at once") }]);
});

test("the next item starts as soon as one ends, not when its chunk does", async () => {
  const clock = createClock(0);
  const starts: [number, number][] = [];
  const done = mapSettled([100, 10, 10, 10], 2, async (ms, index) => {
    starts.push([index, clock.now()]);
    await clock.sleep(ms);
  });
  await clock.advance(100);
  await done;
  expect(starts).toEqual([
    [0, 0],
    [1, 0],
    [2, 10],
    [3, 20],
  ]);
});

test("a concurrency of Infinity starts all at once", async () => {
  let started = 0;
  void mapSettled([1, 2, 3, 4, 5], Infinity, () => {
    started += 1;
    return new Promise(() => {});
  });
  await settled();
  expect(started).toBe(5);
});

test("no items are no outcomes", async () => {
  expect(await mapSettled([], 3, () => 1)).toEqual([]);
});

test.each([0, -1, 1.5, Number.NaN, -Infinity, "2", undefined])(
  "a concurrency of %s is refused",
  async (concurrency) => {
    await expect(mapSettled([1], concurrency as number, () => 1)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `concurrency must be an integer of at least 1, or Infinity (got ${String(concurrency)})`,
    });
  },
);

test("never more than the concurrency run at once, and always as many as can", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 8 }),
      async (turns, concurrency) => {
        let running = 0;
        let most = 0;
        const outcomes = await mapSettled(turns, concurrency, async (count, index) => {
          running += 1;
          most = Math.max(most, running);
          for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
          running -= 1;
          return index;
        });
        expect(most).toBe(Math.min(concurrency, turns.length));
        expect(outcomes.map((one) => one.status === "fulfilled" && one.value)).toEqual(
          turns.map((_, index) => index),
        );
      },
    ),
  );
});
