import { expect, test } from "vitest";
import { StorageServerRegistry } from "../../src/core/storage-registry.ts";
import { createClock } from "./clock.ts";
import { createTestStorage } from "./shared-storage.ts";

const a = { id: "a", url: "http://a", region: "eu" };
const b = { id: "b", url: "http://b", region: "us", weight: 2, capacity: 3 };
const fixed = { id: "fixed", url: "http://fixed", region: "eu" };

/** Two registries over one storage, as two processes have them. */
function setup(options: { ttl?: number } = {}) {
  const clock = createClock(1_000_000);
  const storage = createTestStorage();
  const notes: string[] = [];
  const make = () =>
    new StorageServerRegistry({
      storage,
      servers: [fixed],
      circuit: { failures: 2, cooldown: 1000 },
      now: clock.now,
      note: (message) => notes.push(message),
      ...options,
    });
  return { clock, storage, notes, one: make(), other: make(), make };
}

const idsOf = async (registry: StorageServerRegistry): Promise<string[]> =>
  (await registry.list()).map(({ id }) => id);

const find = async (registry: StorageServerRegistry, id: string) =>
  (await registry.list()).find((server) => server.id === id);

test("what joins at one is listed by the other, after what is configured", async () => {
  const { clock, one, other } = setup();
  await one.register(b);
  await one.register(a);
  expect(await one.list()).toEqual([
    { ...fixed, circuit: "closed", inFlight: 0 },
    { ...a, circuit: "closed", inFlight: 0, lastSeenAt: 1_000_000, leavesAt: 1_030_000 },
    { ...b, circuit: "closed", inFlight: 0, lastSeenAt: 1_000_000, leavesAt: 1_030_000 },
  ]);
  expect(await other.list()).toEqual(await one.list());
  expect((await other.list({ region: "us" })).map(({ id }) => id)).toEqual(["b"]);
  await other.deregister("a");
  await clock.advance(1250);
  expect(await idsOf(one)).toEqual(["fixed", "b"]);
});

test("refuses a server that is none, in the list and later", async () => {
  const { one, storage } = setup();
  const path = "orchestrator.registry.servers";
  expect(
    () => new StorageServerRegistry({ storage, path, servers: [{ ...a, url: "foo" }] }),
  ).toThrow(`${path}[0].url must be an absolute http(s) URL (got "foo")`);
  await expect(one.register({ ...a, region: "" })).rejects.toMatchObject({
    code: "CONFIG_INVALID",
  });
});

test("one that is silent for its ttl has left, a configured one never", async () => {
  const { clock, one, other } = setup({ ttl: 5000 });
  await one.register(a);
  await one.register(b, { ttl: 20_000 });
  await clock.advance(4000);
  // Any of them hears it.
  await other.heartbeat("a", { load: 2, capacity: 7 });
  await clock.advance(4000);
  expect(await find(one, "a")).toMatchObject({ load: 2, capacity: 7, lastSeenAt: 1_004_000 });
  await clock.advance(1500);
  expect(await idsOf(one)).toEqual(["fixed", "b"]);
  await clock.advance(20_000);
  expect(await idsOf(one)).toEqual(["fixed"]);
});

test("what a configured server tells counts while it tells it", async () => {
  const { clock, one, other } = setup();
  await one.heartbeat("fixed", { load: 4, capacity: 2 });
  expect(await find(other, "fixed")).toMatchObject({ load: 4, capacity: 2 });
  await clock.advance(30_000);
  expect(await find(other, "fixed")).toEqual({
    ...fixed,
    circuit: "closed",
    inFlight: 0,
  });
  await one.heartbeat("nobody");
  expect(await idsOf(one)).toEqual(["fixed"]);
});

test("what left long ago is forgotten", async () => {
  const { clock, one, storage } = setup({ ttl: 1000 });
  await one.register(a);
  await clock.advance(11_000);
  await one.list();
  await clock.advance(1000);
  expect((await storage.keys()).filter((key) => key.startsWith("servers:"))).toEqual([]);
});

test("failures reported to either open the circuit for both, and a success closes it", async () => {
  const { clock, one, other } = setup();
  await one.report("fixed", { ok: false, error: "refused" });
  await other.report("fixed", { ok: false, error: "refused again" });
  await clock.advance(250);
  for (const registry of [one, other]) {
    await registry.list();
    await clock.advance(1000);
  }
  expect(await find(one, "fixed")).toMatchObject({
    circuit: "half-open",
    lastError: "refused again",
  });
  await one.report("fixed", { ok: false, error: "still" });
  expect(await find(one, "fixed")).toMatchObject({ circuit: "open" });
  await clock.advance(300);
  expect(await find(other, "fixed")).toMatchObject({ circuit: "open", lastError: "still" });
  await other.report("fixed", { ok: true });
  await clock.advance(1000);
  const closed = await find(one, "fixed");
  expect(closed).toMatchObject({ circuit: "closed" });
  expect(closed).not.toHaveProperty("lastError");
});

test("one that joins again starts with a closed circuit", async () => {
  const { one } = setup();
  await one.register(a);
  await one.report("a", { ok: false, error: "x" });
  await one.report("a", { ok: false, error: "x" });
  expect(await find(one, "a")).toMatchObject({ circuit: "open" });
  await one.register(a);
  expect(await find(one, "a")).toMatchObject({ circuit: "closed" });
});

test("what is asked for a thousand times is read once, and success is not written", async () => {
  const { one, storage } = setup();
  await one.register(a);
  const before = { ...storage.calls };
  for (let job = 0; job < 1000; job++) {
    await one.list({ region: "eu" });
    await one.report("a", { ok: true });
  }
  expect(storage.calls).toEqual({
    ...before,
    getKeys: before.getKeys + 1,
    getItems: before.getItems + 1,
  });
});

test("keys are listed once a second, and values read four times", async () => {
  const { clock, one, storage } = setup();
  await one.list();
  const before = { ...storage.calls };
  for (let time = 0; time < 40; time++) {
    await clock.advance(50);
    await one.register(a);
    await one.list();
  }
  expect(storage.calls.getKeys - before.getKeys).toBe(1);
  expect(storage.calls.getItems - before.getItems).toBe(8);
});

test("a storage that is away leaves what was known, is told of once, and is found again", async () => {
  const { clock, one, other, storage, notes } = setup({ ttl: 5000 });
  await one.register(a);
  expect(await idsOf(one)).toEqual(["fixed", "a"]);
  storage.away(true);
  for (let second = 0; second < 20; second++) {
    await clock.advance(1000);
    expect(await idsOf(one)).toEqual(["fixed", "a"]);
  }
  // Nobody knows whether it has left: what is said now is said to nobody.
  await expect(one.register(b)).rejects.toMatchObject({ retryable: true });
  await expect(one.heartbeat("a")).rejects.toMatchObject({ retryable: true });
  await one.report("a", { ok: false, error: "refused" });
  await one.report("a", { ok: false, error: "refused" });
  expect(await find(one, "a")).toMatchObject({ circuit: "open" });
  expect(notes).toEqual([
    "The registry's storage is away (connection refused): the last known servers are used until it is back",
  ]);
  storage.away(false);
  await other.register(b);
  await clock.advance(1000);
  await one.list();
  await clock.advance(1000);
  expect(await idsOf(one)).toContain("b");
  expect(notes).toEqual([notes[0], "The registry's storage is back"]);
});

test("a storage that is away from the start leaves the configured servers", async () => {
  const { one, storage } = setup();
  storage.away(true);
  expect(await idsOf(one)).toEqual(["fixed"]);
});

test("what others wrote is taken as far as it makes sense, and what does not is told of once", async () => {
  const { clock, one, storage, notes } = setup();
  const server = { id: "x", url: "http://x", region: "eu" };
  const good = { server, lastSeenAt: clock.now(), ttl: 30_000 };
  for (const [key, value] of Object.entries({
    "servers:x": { ...good, load: "much" },
    "servers:1": "text",
    "servers:2": { ...good, server: { ...server, id: "2", url: "file:///etc/passwd" } },
    "servers:3": { ...good, server: { ...server, id: "3" }, ttl: "long" },
    "servers:4": { ...good, server: { ...server, id: "4" }, lastSeenAt: clock.now() + 60_000 },
    "servers:5": { ...good, server: { ...server, id: "x" } },
    "circuits:x": { id: "x", failures: 9, openedAt: clock.now() + 60_000, lastError: 7 },
    "circuits:fixed": { id: "other", failures: 9, openedAt: clock.now() },
    "other:things": { any: 1 },
  })) {
    await storage.setItem(key, value as object);
  }
  for (let time = 0; time < 2; time++) {
    expect(await one.list()).toEqual([
      { ...fixed, circuit: "closed", inFlight: 0 },
      {
        ...server,
        circuit: "closed",
        inFlight: 0,
        lastSeenAt: clock.now() - time * 250,
        leavesAt: clock.now() + 30_000 - time * 250,
      },
    ]);
    await clock.advance(250);
  }
  expect(notes).toEqual([
    expect.stringMatching(/servers:2 .* server\.url must be an absolute http\(s\) URL/),
    expect.stringMatching(/servers:3 .* ttl must be a time/),
    expect.stringMatching(/servers:4 .* lastSeenAt is not yet/),
    expect.stringMatching(/servers:5 .* server\.id is that of another key/),
  ]);
});

test("ids that storages would mix up are kept apart", async () => {
  const { one, storage, other } = setup();
  const ids = ["EU", "eu", "e:u", "e/u", "..", "é", "__proto__", "x".repeat(150)];
  for (const id of ids) await one.register({ ...a, id });
  expect((await idsOf(other)).slice(1).toSorted()).toEqual(ids.toSorted());
  for (const key of await storage.keys()) expect(key).toMatch(/^servers:[a-z0-9_-]{1,200}$/);
});
