import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createSlots, type Slots } from "../../src/core/slots.ts";
import { type Clock, createClock, settled } from "./clock.ts";

// The same cases in every run.
fc.configureGlobal({ seed: 1 });

/** A job that runs until it is told to end. */
function start(
  slots: Slots,
  priority: number,
  begun: () => void,
): { end: () => void; done: Promise<void> } {
  let end!: () => void;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const done = slots.run(priority, () => {
    begun();
    return over;
  });
  return { end, done };
}

test("nothing starts before there is a place", async () => {
  const slots = createSlots();
  const begun: number[] = [];
  void slots.run(0, async () => begun.push(1));
  await settled();
  expect(begun).toEqual([]);
  slots.widen(1);
  await settled();
  expect(begun).toEqual([1]);
});

test("the highest priority starts first, and of the same who came first", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 60 }),
      async (priorities) => {
        const slots = createSlots();
        const order: number[] = [];
        const all = priorities.map((priority, index) =>
          slots.run(priority, async () => order.push(index)),
        );
        slots.widen(1);
        await Promise.all(all);
        const expected = priorities
          .map((priority, index) => ({ priority, index }))
          .toSorted((a, b) => b.priority - a.priority || a.index - b.index);
        expect(order).toEqual(expected.map(({ index }) => index));
      },
    ),
  );
});

test("thousands who wait start in order too", async () => {
  const slots = createSlots();
  const order: number[] = [];
  const count = 5000;
  const all = Array.from({ length: count }, (_, index) =>
    slots.run(index % 2, async () => order.push(index)),
  );
  slots.widen(3);
  await Promise.all(all);
  const indices = Array.from({ length: count }, (_, index) => index);
  expect(order).toEqual([
    ...indices.filter((index) => index % 2 === 1),
    ...indices.filter((index) => index % 2 === 0),
  ]);
});

/** What a job does with its place: works, maybe steps aside, works on, and maybe fails. */
const job = fc.record({
  priority: fc.nat(3),
  work: fc.integer({ min: 1, max: 20 }),
  aside: fc.option(fc.integer({ min: 1, max: 20 })),
  fails: fc.boolean(),
});

test("never more than the window are in flight, and every job gets its turn", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
      fc.array(job, { maxLength: 40 }),
      async (windows, jobs) => {
        const clock = createClock(0);
        const slots = createSlots();
        const width = windows.reduce((sum, window) => sum + window, 0);
        let inFlight = 0;
        let most = 0;
        const enter = (): void => {
          inFlight++;
          most = Math.max(most, inFlight);
        };
        const all = jobs.map(({ priority, work, aside, fails }) =>
          slots.run(priority, async (slot) => {
            enter();
            await clock.sleep(work);
            if (aside !== null) {
              inFlight--;
              await slot.aside(() => clock.sleep(aside));
              enter();
              await clock.sleep(work);
            }
            inFlight--;
            if (fails) throw new Error("failed");
          }),
        );
        for (const window of windows) slots.widen(window);
        const ended = Promise.allSettled(all);
        await clock.advance(60 * (jobs.length + 1));
        const outcomes = await ended;
        expect(outcomes.map(({ status }) => status === "rejected")).toEqual(
          jobs.map(({ fails }) => fails),
        );
        expect(most).toBeLessThanOrEqual(width);
        // A window that is not used would be as wrong as one that is exceeded.
        expect(most).toBe(Math.min(width, jobs.length));
      },
    ),
    { numRuns: 60 },
  );
});

test("who steps aside leaves the place to another, and returns before all who have not started", async () => {
  const slots = createSlots();
  const log: string[] = [];
  let back!: () => void;
  const waiting = new Promise<void>((resolve) => {
    back = resolve;
  });
  const aside = slots.run(0, async (slot) => {
    log.push("first begins");
    expect(await slot.aside(() => waiting.then(() => "answer"))).toBe("answer");
    log.push("first goes on");
  });
  const second = start(slots, 9, () => log.push("second begins"));
  slots.widen(1);
  const third = start(slots, 9, () => log.push("third begins"));
  await settled();
  // The second came first in priority; the first has its place only after both.
  expect(log).toEqual(["second begins"]);
  second.end();
  await settled();
  third.end();
  await settled();
  expect(log).toEqual(["second begins", "third begins", "first begins"]);
  const fourth = start(slots, 9, () => log.push("fourth begins"));
  const fifth = start(slots, 9, () => log.push("fifth begins"));
  await settled();
  expect(log.slice(3)).toEqual(["fourth begins"]);
  back();
  await settled();
  expect(log.slice(3)).toEqual(["fourth begins"]);
  fourth.end();
  await settled();
  expect(log.slice(3)).toEqual(["fourth begins", "first goes on", "fifth begins"]);
  fifth.end();
  await Promise.all([aside, second.done, third.done, fourth.done, fifth.done]);
});

test("a wait that fails takes a place again before it is told", async () => {
  const slots = createSlots();
  const log: string[] = [];
  slots.widen(1);
  const aside = slots.run(0, async (slot) => {
    await slot
      .aside(() => Promise.reject(new Error("no server")))
      .catch((error: Error) => log.push(error.message));
  });
  const other = start(slots, 0, () => log.push("other begins"));
  await settled();
  expect(log).toEqual(["other begins"]);
  other.end();
  await Promise.all([aside, other.done]);
  expect(log).toEqual(["other begins", "no server"]);
});

/** How many jobs are in flight at each of these milliseconds, in a window without end. */
async function inFlightAt(
  times: number[],
  work: (index: number, clock: Clock) => Promise<void>,
  late = 0,
): Promise<number[]> {
  const clock = createClock(0);
  const slots = createSlots({
    now: clock.now,
    after: (ms, callback) => void clock.sleep(ms === 0 ? 0 : ms + late).then(callback),
  });
  let inFlight = 0;
  for (let index = 0; index < 2000; index++) {
    void slots.run(0, async () => {
      inFlight++;
      await work(index, clock);
      inFlight--;
    });
  }
  slots.widen(Infinity);
  const counts: number[] = [];
  for (const time of times) {
    await clock.advance(time - clock.now());
    counts.push(inFlight);
  }
  return counts;
}

/** Jobs of one server that does one at a time, each in so many milliseconds. */
function oneByOne(ms: (index: number) => number): (index: number, clock: Clock) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (index, clock) => (last = last.then(() => clock.sleep(ms(index))));
}

test("a wide window is filled step by step with jobs that take long", async () => {
  const times = [0, 99, 100, 200, 300, 400, 500, 600];
  expect(await inFlightAt(times, (_, clock) => clock.sleep(60_000))).toEqual([
    64, 64, 128, 256, 512, 1024, 1536, 2000,
  ]);
});

test("a wide window stays as it is while this process has all that it can do", async () => {
  const work = (_: number, clock: Clock): Promise<void> => clock.sleep(60_000);
  expect(await inFlightAt([99, 500, 2000], work, 30)).toEqual([64, 64, 64]);
  expect(await inFlightAt([99, 500], work, 10)).toEqual([64, 1024]);
});

test("more are put side by side for as long as more of them end", async () => {
  const [first, last] = await inFlightAt([90, 310], (_, clock) => clock.sleep(60));
  expect(first).toBe(64);
  expect(last).toBeGreaterThanOrEqual(256);
});

test("no more than 32 start in one go, so that all else of the process has its turn", async () => {
  const rests: (() => void)[] = [];
  const slots = createSlots({
    now: () => 0,
    after: (ms, callback) => void (ms === 0 && rests.push(callback)),
  });
  let started = 0;
  for (let index = 0; index < 200; index++) void slots.run(0, async () => started++);
  slots.widen(200);
  const counts: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    await settled();
    counts.push(started);
    rests.shift()?.();
  }
  expect(counts).toEqual([32, 64, 96, 128, 160]);
});

test("jobs that would only wait for each other are not put side by side", async () => {
  const times = [90, 190, 990, 1090, 1190];
  const work = oneByOne(() => 1);
  // Tried once in the beginning, and then after ten looks.
  expect(await inFlightAt(times, work)).toEqual([64, 128, 128, 128, 256]);
});

test("what ended fast before does not keep a window narrow", async () => {
  const [before, after] = await inFlightAt([390, 800], (index, clock) =>
    index < 640 ? clock.sleep(20) : clock.sleep(60_000),
  );
  expect(after).toBeGreaterThan(before! * 2);
});
