import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createLeases, type Lease } from "../../src/core/leases.ts";
import { createSharedLeases } from "../../src/core/shared-leases.ts";
import { createSharedRecords } from "../../src/core/shared-records.ts";
import { createClock, type Clock, settled } from "./clock.ts";
import { createTestStorage, type TestStorage } from "./shared-storage.ts";

/** Leases as one process has them. */
function createProcess(clock: Clock, storage: TestStorage, instance: string) {
  const { now, sleep } = clock;
  const records = createSharedRecords({ storage, now, sleep });
  const own = createLeases(clock);
  const leases = createSharedLeases({ records, own, instance, now, sleep });
  return { leases, own, refresh: () => records.refresh() };
}

function setup(...names: string[]) {
  const clock = createClock();
  const storage = createTestStorage();
  return { clock, storage, processes: names.map((name) => createProcess(clock, storage, name)) };
}

/** Starts processes, and waits until all may confirm. */
async function started(clock: Clock, processes: ReturnType<typeof setup>["processes"]) {
  for (const { leases } of processes) await leases.start();
  await clock.advance(2500);
}

type Process = ReturnType<typeof createProcess>;

/** Takes a place and has it confirmed; undefined where it is not kept. */
async function take({ leases }: Process, capacity = 3): Promise<Lease | undefined> {
  const lease = leases.acquire("s", { ttl: 600_000, capacity });
  return lease && (await leases.confirm!(lease, capacity)) ? lease : undefined;
}

test("what one holds counts for the other within a quarter of a second and a little", async () => {
  const { clock, processes } = setup("a", "b");
  await started(clock, processes);
  const [a, b] = processes as [Process, Process];
  const leases = [1, 2].map(() => a.leases.acquire("s", { ttl: 60_000 })!);
  expect(a.leases.count("s")).toBe(2);
  await clock.advance(100);
  await b.refresh();
  expect([b.leases.count("s"), b.own.count("s")]).toEqual([2, 0]);
  a.leases.release(leases[0]!.id);
  await clock.advance(350);
  await b.refresh();
  expect(b.leases.count("s")).toBe(1);
});

test("places without a capacity are told in few writes", async () => {
  const { clock, storage, processes } = setup("a");
  await started(clock, processes);
  const [a] = processes as [Process];
  const before = storage.calls.setItem;
  for (let job = 0; job < 1000; job++) {
    a.leases.release(a.leases.acquire("s", { ttl: 60_000 })!.id);
    if (job % 100 === 0) await clock.advance(10);
  }
  a.leases.acquire("s", { ttl: 60_000 });
  await clock.advance(200);
  expect(storage.calls.setItem - before).toBeLessThanOrEqual(3);
});

test("two who take the last place at once do not both keep it", async () => {
  const { clock, processes } = setup("a", "b");
  await started(clock, processes);
  const [a, b] = processes as [Process, Process];
  await take(a);
  await take(b);
  await clock.advance(500);
  const both = await Promise.all([take(a), take(b)]);
  expect(both.filter(Boolean).length).toBeLessThanOrEqual(1);
  // What was not kept is given back, so that one of them gets it later.
  expect(a.own.count("s") + b.own.count("s")).toBe(2 + both.filter(Boolean).length);
  await clock.advance(500);
  await a.refresh();
  if (!both.some(Boolean)) expect(await take(a)).toBeDefined();
  await clock.advance(500);
  await b.refresh();
  expect(await take(b)).toBeUndefined();
});

test("claims of one moment are confirmed together, and as many as there is room for", async () => {
  const { clock, storage, processes } = setup("a", "b");
  await started(clock, processes);
  const [a, b] = processes as [Process, Process];
  await take(b, 6);
  await clock.advance(300);
  await a.refresh();
  const before = { ...storage.calls };
  const taken = await Promise.all([1, 2, 3, 4, 5, 6].map(() => take(a, 6)));
  expect(taken.filter(Boolean)).toHaveLength(5);
  expect(storage.calls.setItem - before.setItem).toBe(1);
  expect(storage.calls.getItems - before.getItems).toBe(1);
});

test("a process that died keeps its places until it counts as dead", async () => {
  const { clock, storage, processes } = setup("a");
  await started(clock, processes);
  const [a] = processes as [Process];
  await take(a);
  await take(a);
  const record = await storage.get("instances:a");
  await a.leases.close();
  // As `kill -9` leaves it.
  await storage.setItem("instances:a", record);
  const b = createProcess(clock, storage, "b");
  await b.leases.start();
  await clock.advance(10_000);
  await b.refresh();
  expect([await take(b), await take(b)]).toEqual([expect.anything(), undefined]);
  await clock.advance(6000);
  await b.refresh();
  expect(await take(b)).toBeDefined();
  await clock.advance(20_000);
  await b.refresh();
  expect(b.leases.count("s")).toBe(2);
  await settled();
  expect(await storage.keys()).toEqual(["instances:b"]);
});

test("a process that lives is not taken for dead, however little it does", async () => {
  const { clock, processes } = setup("a", "b");
  await started(clock, processes);
  const [a, b] = processes as [Process, Process];
  await take(a);
  for (let minute = 0; minute < 10; minute++) {
    await clock.advance(6000);
    await b.refresh();
    expect(b.leases.count("s")).toBe(1);
  }
});

test("one that ends gives all back at once", async () => {
  const { clock, storage, processes } = setup("a", "b");
  await started(clock, processes);
  const [a, b] = processes as [Process, Process];
  await take(a);
  await a.leases.close();
  await clock.advance(1100);
  await b.refresh();
  expect(b.leases.count("s")).toBe(0);
  expect(await storage.keys()).toEqual(["instances:b"]);
});

describe("one that joins others", () => {
  test("confirms nothing until all of them have found its record, and one that is alone does at once", async () => {
    const { clock, processes } = setup("a", "b");
    const [a, b] = processes as [Process, Process];
    await a.leases.start();
    expect(await take(a)).toBeDefined();
    await b.leases.start();
    expect(await take(b)).toBeUndefined();
    await clock.advance(2000);
    await b.refresh();
    expect(await take(b)).toBeDefined();
  });

  test("does so again after it was silent for so long that it counts as dead", async () => {
    const { clock, storage, processes } = setup("a", "b");
    await started(clock, processes);
    const [a, b] = processes as [Process, Process];
    let stuck = true;
    storage.onCall((method, key) => {
      if (stuck && method === "setItem" && key === "instances:b") throw new Error("stuck");
    });
    await clock.advance(20_000);
    await a.refresh();
    await b.refresh();
    await settled();
    stuck = false;
    expect(await take(b)).toBeUndefined();
    await clock.advance(2500);
    await b.refresh();
    expect(await take(b)).toBeDefined();
  });
});

test("a record that is just being written is read again, and one that is broken for long is left out", async () => {
  const { clock, storage, processes } = setup("a", "b");
  await started(clock, processes);
  const [a, b] = processes as [Process, Process];
  await take(a, 2);
  const whole = await storage.get("instances:a");
  let torn = 2;
  storage.onCall(async (method) => {
    if (method === "getItems" && torn-- === 0) await storage.setItem("instances:a", whole);
  });
  await storage.setItem("instances:a", "" as never);
  const taking = Promise.all([take(b, 2), take(b, 2)]);
  await clock.advance(50);
  expect((await taking).filter(Boolean)).toHaveLength(1);
  await a.leases.close();
  await storage.setItem("instances:a", "" as never);
  await clock.advance(1100);
  await b.refresh();
  const hopeless = take(b, 2);
  await clock.advance(100);
  expect(await hopeless).toBeUndefined();
  await clock.advance(16_000);
  await b.refresh();
  expect(await take(b, 2)).toBeDefined();
});

test("a storage that is away confirms nothing at first, and then each goes on by what it knows", async () => {
  const { clock, storage, processes } = setup("a", "b");
  await started(clock, processes);
  const [a, b] = processes as [Process, Process];
  await take(a);
  await clock.advance(300);
  await b.refresh();
  storage.away(true);
  expect(await take(b)).toBeUndefined();
  await clock.advance(60_000);
  const taken = [await take(b), await take(b), await take(b)];
  expect(taken.map(Boolean)).toEqual([true, true, false]);
  storage.away(false);
  await clock.advance(5000);
  await a.refresh();
  expect(a.leases.count("s")).toBe(3);
});

test("whatever happens when, all together never keep more than the capacity", async () => {
  const act = fc.record({
    who: fc.nat(3),
    what: fc.constantFrom("take", "take", "take", "release", "start", "wait"),
    ms: fc.nat(40),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { minLength: 30, maxLength: 80 }),
      fc.array(fc.nat(30), { minLength: 50, maxLength: 50 }),
      async (acts, delays) => {
        const clock = createClock();
        const storage = createTestStorage();
        let call = 0;
        // Answers come in any order, but each is of one moment.
        storage.onCall(() => clock.sleep(delays[call++ % delays.length]!));
        const names = ["a", "b", "c", "d"];
        const processes = names.map((name) => createProcess(clock, storage, name));
        const running = new Set<number>();
        const kept: Lease[][] = names.map(() => []);
        let most = 0;
        const start = (who: number): void => {
          if (running.has(who)) return;
          running.add(who);
          void processes[who]!.leases.start();
        };
        start(0);
        start(1);
        await clock.advance(3000);
        for (const { who, what, ms } of acts) {
          if (what === "start") start(who);
          if (what === "take" && running.has(who)) {
            void processes[who]!.refresh();
            void take(processes[who]!, 2).then((lease) => {
              if (lease) kept[who]!.push(lease);
              most = Math.max(most, kept.flat().length);
            });
          }
          if (what === "release") {
            const lease = kept[who]!.shift();
            if (lease) processes[who]!.leases.release(lease.id);
          }
          await clock.advance(ms);
        }
        await clock.advance(3000);
        expect(most).toBeLessThanOrEqual(2);
        expect(most).toBeGreaterThan(0);
      },
    ),
    { numRuns: 60, seed: 1 },
  );
});
