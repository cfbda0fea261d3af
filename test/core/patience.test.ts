import { expect, test } from "vitest";
import { ids, job, reply, server, setup, watch } from "./dispatcher.ts";

test("patient jobs outlive a circuit that opens after a long wait for room, also far back in the line", async () => {
  const { clock, dispatcher, leases, open, registry } = setup([server("a", "eu", { capacity: 1 })]);
  const held = leases.acquire("a", { ttl: 1_000_000 })!;
  const [first, second] = [1, 2].map(() =>
    watch(dispatcher.select(undefined, { region: "eu", patient: true })),
  );
  await clock.advance(70_000);
  await open("a");
  leases.release(held.id);
  await clock.advance(1500);
  // The first is the half-open server's probe, the second waits for what comes of it.
  expect([first!.value?.id, second]).toEqual(["a", {}]);
  await registry.report("a", { ok: true });
  leases.release(first!.value!.leaseId);
  await clock.advance(300);
  expect(second!.value).toMatchObject({ id: "a" });
});

test("patient jobs give up together once servers are down as long as configured", async () => {
  const { clock, dispatcher, leases, open } = setup([server("a", "eu", { capacity: 1 })]);
  leases.acquire("a", { ttl: 1_000_000 });
  const all = [1, 2, 3].map(() =>
    watch(dispatcher.select(undefined, { region: "eu", patient: true })),
  );
  await clock.advance(70_000);
  await open("a");
  // Its one place is taken, so that nobody can try it.
  await clock.advance(59_000);
  expect(all).toEqual([{}, {}, {}]);
  await clock.advance(2000);
  expect(all.map(({ error }) => error?.code)).toEqual(Array(3).fill("NO_SERVER_AVAILABLE"));
});

test("all who wait are told why at once, also far back in the line", async () => {
  const { clock, dispatcher, leases } = setup([server("a", "eu", { capacity: 1 })]);
  leases.acquire("a", { ttl: 1_000_000 });
  const told: string[] = [];
  const onWait = (reason: string): void => void told.push(reason);
  const abort = new AbortController();
  const all = [1, 2, 3].map(() =>
    watch(dispatcher.select(undefined, { patient: true, onWait, signal: abort.signal })),
  );
  await clock.advance(0);
  expect(told).toEqual(Array(3).fill("No runner servers available: a is full (1 of 1 jobs)"));
  abort.abort(new Error("enough"));
  await clock.advance(0);
  expect(all.map(({ error }) => error?.message)).toEqual(Array(3).fill("enough"));
});

test("a place that was lost while its job waited for its turn is not used beyond the capacity", async () => {
  const gauge = { now: 0, most: 0 };
  const { clock, dispatcher, leases } = setup([server("a", "eu", { capacity: 1 })], async () => {
    gauge.most = Math.max(gauge.most, ++gauge.now);
    await clock.sleep(10_000);
    gauge.now--;
    return reply;
  });
  const held = leases.acquire("a", { ttl: 1_000_000 })!;
  let turns = 0;
  const aside = async <T>(wait: () => Promise<T>): Promise<T> => {
    const value = await wait();
    // Longer than a place is held for a job that has not started.
    if (turns++ === 0) await clock.sleep(40_000);
    return value;
  };
  const late = watch(dispatcher.dispatch(job, { ...ids, aside }));
  await clock.advance(0);
  leases.release(held.id);
  await clock.advance(35_000);
  const other = watch(dispatcher.dispatch(job, { ...ids, jobId: "j2" }));
  await clock.advance(30_000);
  expect([late.value?.jobId, other.value?.jobId, gauge.most]).toEqual(["j1", "j2", 1]);
});
