import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createLeases } from "../../src/core/leases.ts";
import { createClock, settled } from "./clock.ts";

// The same cases in every run.
fc.configureGlobal({ seed: 1 });

function setup() {
  const clock = createClock();
  return { clock, leases: createLeases({ ...clock, random: () => 0.5 }) };
}

async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true));
  await settled();
  return done;
}

test("a lease counts for its server only", () => {
  const { leases } = setup();
  leases.acquire("a", { ttl: 10 });
  expect([leases.count("a"), leases.count("b")]).toEqual([1, 0]);
});

test("a full server gives no lease", () => {
  const { leases } = setup();
  leases.acquire("a", { ttl: 10, capacity: 1 });
  expect(leases.acquire("a", { ttl: 10, capacity: 1 })).toBeUndefined();
});

test("a released place is free", () => {
  const { leases } = setup();
  const lease = leases.acquire("a", { ttl: 10, capacity: 1 })!;
  leases.release(lease.id);
  expect(leases.count("a")).toBe(0);
});

test("a release that comes twice frees one place", () => {
  const { leases } = setup();
  const lease = leases.acquire("a", { ttl: 10 })!;
  leases.acquire("a", { ttl: 10 });
  leases.release(lease.id);
  leases.release(lease.id);
  expect(leases.count("a")).toBe(1);
});

test("a lease nobody released, as after a crash, expires", async () => {
  const { clock, leases } = setup();
  leases.acquire("a", { ttl: 10, capacity: 1 });
  await clock.advance(9);
  expect(leases.count("a")).toBe(1);
  await clock.advance(1);
  expect(leases.count("a")).toBe(0);
  expect(leases.acquire("a", { ttl: 10, capacity: 1 })).toBeDefined();
});

test("an expiry spares the leases that last longer", async () => {
  const { clock, leases } = setup();
  leases.acquire("a", { ttl: 10 });
  leases.acquire("a", { ttl: 30 });
  leases.acquire("a", { ttl: 20 });
  await clock.advance(20);
  expect(leases.count("a")).toBe(1);
});

test("a renewed lease lasts from the renewal on", async () => {
  const { clock, leases } = setup();
  const lease = leases.acquire("a", { ttl: 10 })!;
  await clock.advance(9);
  expect(leases.renew(lease.id, 10)).toMatchObject({ id: lease.id, expiresAt: clock.now() + 10 });
  await clock.advance(9);
  expect(leases.count("a")).toBe(1);
});

test("an expired lease cannot be renewed", async () => {
  const { clock, leases } = setup();
  const lease = leases.acquire("a", { ttl: 10 })!;
  await clock.advance(10);
  expect(leases.renew(lease.id, 10)).toBeUndefined();
});

test("a lease is taken over once", () => {
  const { leases } = setup();
  const lease = leases.acquire("a", { ttl: 10 })!;
  expect(leases.takeOver(lease.id, "a", 10)).toBeDefined();
  expect(leases.takeOver(lease.id, "a", 10)).toBeUndefined();
  expect(leases.count("a")).toBe(1);
});

test("a lease of one server cannot be taken over for another", () => {
  const { leases } = setup();
  const lease = leases.acquire("a", { ttl: 10 })!;
  leases.acquire("b", { ttl: 10 });
  expect(leases.takeOver(lease.id, "b", 10)).toBeUndefined();
});

test("leases of two processes have different ids", () => {
  const one = createLeases().acquire("a", { ttl: 10 })!;
  const other = createLeases().acquire("a", { ttl: 10 })!;
  expect(one.id).not.toBe(other.id);
});

test("a release wakes who waits for one", async () => {
  const { leases } = setup();
  const lease = leases.acquire("a", { ttl: 10 })!;
  const released = leases.released();
  expect(await isDone(released)).toBe(false);
  leases.release(lease.id);
  expect(await isDone(released)).toBe(true);
});

test("an expiry wakes who waits for a release", async () => {
  const { clock, leases } = setup();
  leases.acquire("a", { ttl: 10 });
  const released = leases.released();
  await clock.advance(9);
  expect(await isDone(released)).toBe(false);
  await clock.advance(1);
  expect(await isDone(released)).toBe(true);
});

test("a renewal moves the expiry that is waited for", async () => {
  const { clock, leases } = setup();
  const lease = leases.acquire("a", { ttl: 10 })!;
  const released = leases.released();
  leases.renew(lease.id, 20);
  await clock.advance(19);
  expect(await isDone(released)).toBe(false);
  await clock.advance(1);
  expect(await isDone(released)).toBe(true);
});

test("an abort ends the wait and leaves no sleeper behind", async () => {
  const { clock, leases } = setup();
  leases.acquire("a", { ttl: 10 });
  const abort = new AbortController();
  const released = leases.released(abort.signal);
  abort.abort();
  expect(await isDone(released)).toBe(true);
  expect(clock.pending()).toBe(0);
});

test("live leases never exceed the capacity, whatever happens", async () => {
  const action = fc.oneof(
    fc.constant({ do: "acquire" as const }),
    fc.record({ do: fc.constantFrom("release" as const, "renew" as const), which: fc.nat(20) }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.nat(15) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      async (actions, capacity) => {
        let time = 0;
        const leases = createLeases({ now: () => time });
        // The model: what expires when.
        const model = new Map<string, number>();
        const live = () => [...model.values()].filter((at) => at > time).length;
        const ids: string[] = [];
        for (const act of actions) {
          if (act.do === "acquire") {
            const full = live() >= capacity;
            const lease = leases.acquire("a", { ttl: 10, capacity });
            expect(lease === undefined).toBe(full);
            if (lease) {
              ids.push(lease.id);
              model.set(lease.id, time + 10);
            }
          } else if (act.do === "wait") {
            time += act.ms;
          } else {
            const id = ids[act.which % Math.max(ids.length, 1)];
            if (id === undefined) continue;
            if (act.do === "release") {
              leases.release(id);
              model.delete(id);
            } else if (leases.renew(id, 10)) {
              expect(model.get(id)).toBeGreaterThan(time);
              model.set(id, time + 10);
            }
          }
          expect(leases.count("a")).toBe(live());
          expect(leases.count("a")).toBeLessThanOrEqual(capacity);
        }
      },
    ),
  );
});
