import { expect, test, vi } from "vitest";
import { settled } from "./clock.ts";
import { server, setup, watch } from "./dispatcher.ts";

test("available servers are those of the region, with what is in flight there", async () => {
  const { dispatcher, leases } = setup([server("a"), server("b"), server("c", "us")]);
  leases.acquire("b", { ttl: 1000 });
  const available = await dispatcher.available("eu");
  expect(available.map(({ id, inFlight }) => [id, inFlight])).toEqual([
    ["a", 0],
    ["b", 1],
  ]);
});

test("a full server is available: jobs wait for it", async () => {
  const { dispatcher, leases } = setup([server("a", "eu", { capacity: 1 })]);
  leases.acquire("a", { ttl: 1000 });
  expect(await dispatcher.available()).toHaveLength(1);
});

test("a server with an open circuit is not available", async () => {
  const { dispatcher, open } = setup([server("a"), server("b")]);
  await open("a");
  expect((await dispatcher.available()).map(({ id }) => id)).toEqual(["b"]);
});

test("a half-open server is available only while nothing is in flight there", async () => {
  const { clock, dispatcher, leases, open } = setup([server("a")]);
  await open("a");
  await clock.advance(1000);
  expect(await dispatcher.available()).toMatchObject([{ id: "a", circuit: "half-open" }]);
  leases.acquire("a", { ttl: 1000 });
  expect(await dispatcher.available()).toEqual([]);
});

// select

test("select takes a lease of 30 s", async () => {
  const { clock, dispatcher, leases } = setup([server("a", "eu", { weight: 2, capacity: 3 })]);
  const selected = await dispatcher.select(undefined);
  expect(selected).toEqual({
    ...server("a", "eu", { weight: 2, capacity: 3 }),
    leaseId: expect.any(String),
  });
  await clock.advance(29_999);
  expect(leases.count("a")).toBe(1);
  await clock.advance(1);
  expect(leases.count("a")).toBe(0);
});

test("jobs selected in one moment see each other", async () => {
  const { dispatcher } = setup([server("a"), server("b")]);
  const selected = await Promise.all(
    Array.from({ length: 10 }, () => dispatcher.select(undefined)),
  );
  expect(selected.filter(({ id }) => id === "a")).toHaveLength(5);
});

test("jobs selected in one moment fill up the server with the least load first", async () => {
  const { dispatcher, leases } = setup([server("a"), server("b")]);
  for (let n = 0; n < 4; n += 1) leases.acquire("a", { ttl: 1000 });
  const selected = await Promise.all([1, 2, 3, 4].map(() => dispatcher.select(undefined)));
  expect(selected.map(({ id }) => id)).toEqual(["b", "b", "b", "b"]);
});

test("jobs selected in one moment are one probe of a half-open server at most", async () => {
  const { clock, dispatcher, leases, open } = setup([server("a"), server("b")]);
  await open("a");
  await clock.advance(1000);
  await Promise.all([1, 2, 3, 4].map(() => dispatcher.select(undefined)));
  expect([leases.count("a"), leases.count("b")]).toEqual([1, 3]);
});

test("select never trusts a url that is passed", async () => {
  const { dispatcher } = setup([server("a")]);
  const passed = [{ id: "a", url: "http://evil" }];
  expect((await dispatcher.select(passed)).url).toBe("http://a");
});

test("select keeps to the given servers", async () => {
  const { dispatcher } = setup([server("a"), server("b")]);
  const selected = await Promise.all([1, 2].map(() => dispatcher.select([{ id: "b" }])));
  expect(selected.map(({ id }) => id)).toEqual(["b", "b"]);
});

test("select refuses an unknown server and names the known ones", async () => {
  const { dispatcher } = setup([server("a"), server("b")]);
  await expect(dispatcher.select([{ id: "a" }, { id: "x" }])).rejects.toMatchObject({
    code: "UNKNOWN_SERVER",
    message: 'Unknown server "x". Known servers: a, b',
  });
});

test("select keeps to the region", async () => {
  const { dispatcher } = setup([server("a"), server("b", "us")]);
  expect((await dispatcher.select(undefined, { region: "us" })).id).toBe("b");
});

test("select leaves out what is excluded", async () => {
  const { dispatcher } = setup([server("a"), server("b")]);
  expect((await dispatcher.select(undefined, { exclude: ["a"] })).id).toBe("b");
});

test("select asks the balancer it is given", async () => {
  const { dispatcher } = setup([server("a"), server("b")]);
  const loadBalancer = { name: "last", select: vi.fn((all) => all.at(-1)) };
  expect((await dispatcher.select(undefined, { loadBalancer, key: "k" })).id).toBe("b");
  expect(loadBalancer.select.mock.lastCall).toMatchObject([
    {},
    { key: "k", random: expect.any(Function) },
  ]);
});

test("a balancer that picks no candidate gets no place", async () => {
  const { clock, dispatcher } = setup([server("a", "eu", { capacity: 1 })], undefined, {
    wait: 10,
  });
  const loadBalancer = {
    name: "odd",
    select: () => ({ ...server("x"), circuit: "closed" as const, inFlight: 0 }),
  };
  const seen = watch(dispatcher.select(undefined, { loadBalancer }));
  await clock.advance(10);
  expect(seen.error).toMatchObject({
    message: "No runner servers available: a was not chosen by the load balancer",
  });
});

test("select fails at once where no server of the region is registered", async () => {
  const { dispatcher } = setup([server("a")]);
  await expect(dispatcher.select(undefined, { region: "mars" })).rejects.toMatchObject({
    code: "NO_SERVER_AVAILABLE",
    message: "No runner servers available for region mars: none registered (regions: eu)",
    data: { region: "mars", regions: ["eu"] },
  });
});

test("select waits for a release", async () => {
  const { clock, dispatcher, leases } = setup([server("a", "eu", { capacity: 1 })]);
  const first = await dispatcher.select(undefined);
  const second = watch(dispatcher.select(undefined));
  await clock.advance(5000);
  expect(second.value).toBeUndefined();
  leases.release(first.leaseId);
  await settled();
  expect(second.value).toMatchObject({ id: "a" });
});

test("select waits for the lease of a crashed job to expire", async () => {
  const { clock, dispatcher } = setup([server("a", "eu", { capacity: 1 })]);
  await dispatcher.select(undefined);
  const second = watch(dispatcher.select(undefined));
  await clock.advance(29_999);
  expect(second.value).toBeUndefined();
  await clock.advance(1);
  expect(second.value).toMatchObject({ id: "a" });
});

test("select waits for a circuit to become half-open, and lets one job through", async () => {
  const { clock, dispatcher, open } = setup([server("a")]);
  await open("a");
  const [first, second] = [
    watch(dispatcher.select(undefined)),
    watch(dispatcher.select(undefined)),
  ];
  await clock.advance(999);
  expect(first.value).toBeUndefined();
  await clock.advance(1001);
  expect(first.value).toMatchObject({ id: "a" });
  expect(second.value).toBeUndefined();
});

test("waiting jobs get room in the order they came", async () => {
  const { clock, dispatcher, leases } = setup([server("a", "eu", { capacity: 1 })]);
  let held = await dispatcher.select(undefined);
  const order: number[] = [];
  for (const n of [1, 2, 3, 4]) {
    void dispatcher.select(undefined).then((selected) => {
      order.push(n);
      held = selected;
    });
    await settled();
  }
  for (let n = 0; n < 4; n += 1) {
    leases.release(held.leaseId);
    await clock.advance(1);
  }
  expect(order).toEqual([1, 2, 3, 4]);
});

test("a job that comes just as room is made does not overtake one that waits", async () => {
  const { clock, dispatcher, leases } = setup([server("a", "eu", { capacity: 1 })]);
  const held = await dispatcher.select(undefined);
  const first = watch(dispatcher.select(undefined));
  await settled();
  leases.release(held.leaseId);
  const second = watch(dispatcher.select(undefined));
  await clock.advance(1);
  expect([first.value?.id, second.value?.id]).toEqual(["a", undefined]);
});

test("a full server is passed over, however little it has to do", async () => {
  const { dispatcher, leases } = setup([server("a", "eu", { capacity: 1 }), server("b")]);
  leases.acquire("a", { ttl: 1000 });
  for (let n = 0; n < 5; n += 1) leases.acquire("b", { ttl: 1000 });
  const seen = watch(dispatcher.select(undefined));
  await settled();
  expect(seen.value).toMatchObject({ id: "b" });
});

test("a job that waits in vain fails after the configured time and says why", async () => {
  const { clock, dispatcher, open } = setup(
    [server("a", "eu", { capacity: 1 }), server("b")],
    undefined,
    {
      wait: 700,
    },
  );
  await open("b");
  await dispatcher.select([{ id: "a" }]);
  const seen = watch(dispatcher.select(undefined, { region: "eu" }));
  await clock.advance(699);
  expect(seen.error).toBeUndefined();
  await clock.advance(1);
  expect(seen.error).toMatchObject({
    code: "NO_SERVER_AVAILABLE",
    message:
      "No runner servers available for region eu: a is full (1 of 1 jobs); the circuit of b is open (down)",
    data: { full: ["a"], circuitOpen: ["b"] },
  });
});

test("a job far back in the line fails in time too", async () => {
  const { clock, dispatcher } = setup([server("a", "eu", { capacity: 1 })], undefined, {
    wait: 700,
  });
  await dispatcher.select(undefined);
  const seen = [1, 2, 3].map(() => watch(dispatcher.select(undefined)));
  await clock.advance(700);
  expect(seen.map(({ error }) => error?.code)).toEqual(Array(3).fill("NO_SERVER_AVAILABLE"));
  expect(clock.pending()).toBe(0);
});

test("an abort ends the wait with its reason and leaves no sleeper", async () => {
  const { clock, dispatcher } = setup([server("a", "eu", { capacity: 1 })]);
  await dispatcher.select(undefined);
  const abort = new AbortController();
  const seen = watch(dispatcher.select(undefined, { signal: abort.signal }));
  await settled();
  abort.abort(new Error("cancelled"));
  await settled();
  expect(seen.error).toEqual(new Error("cancelled"));
  expect(clock.pending()).toBe(0);
});
