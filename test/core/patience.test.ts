import { expect, test } from "vitest";
import { server, setup, watch } from "./dispatcher.ts";

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
