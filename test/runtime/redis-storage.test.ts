import { createStorage } from "unstorage";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { createRedisDriver } from "../../src/runtime/redis-storage.ts";
import { freePort } from "../_support/process.ts";
import { hasRedis, startRedis } from "../_support/redis.ts";

const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function open(options: Record<string, unknown>) {
  const storage = createStorage({ driver: await createRedisDriver(options, "redis") });
  stops.push(storage.dispose);
  return storage;
}

describe.runIf(hasRedis)("with a Redis", async () => {
  const redis = hasRedis ? await startRedis() : undefined;
  afterAll(() => redis?.kill());
  const url = redis?.url ?? "";

  test("it does what a storage does, below its own prefix", async () => {
    const storage = await open({ url, base: "a[b]*" });
    const other = await open({ url, base: "ab" });
    await storage.setItem("x:1", { a: 1 });
    await storage.setItem("x:2", "two");
    await other.setItem("y", 3);
    expect((await storage.getKeys()).toSorted()).toEqual(["x:1", "x:2"]);
    expect(await other.getKeys()).toEqual(["y"]);
    expect([await storage.getItem("x:1"), await storage.hasItem("x:3")]).toEqual([{ a: 1 }, false]);
    expect(await storage.getItems(["x:2", "x:3"])).toEqual([
      { key: "x:2", value: "two" },
      { key: "x:3", value: null },
    ]);
    await storage.removeItem("x:1");
    expect(await storage.getKeys()).toEqual(["x:2"]);
  });

  test("it finds all of many keys, among many others", async () => {
    const [storage, other] = [await open({ url, base: "many" }), await open({ url, base: "more" })];
    const keys = Array.from({ length: 2500 }, (_, at) => `k:${at}`);
    await Promise.all(keys.flatMap((key) => [storage.setItem(key, 1), other.setItem(key, 1)]));
    expect((await storage.getKeys()).toSorted()).toEqual(keys.toSorted());
  });

  test("host and port stand for a URL, as for unstorage's own", async () => {
    const { hostname, port } = new URL(url);
    const storage = await open({ host: hostname, port: Number(port), base: "host" });
    await storage.setItem("k", 1);
    expect(await (await open({ url, base: "host" })).getItem("k")).toBe(1);
  });

  test("one that stands still is given up on", async () => {
    const frozen = await startRedis();
    stops.push(frozen.kill);
    const storage = await open({ url: frozen.url, commandTimeout: 100 });
    await storage.setItem("k", 1);
    frozen.freeze();
    await expect(storage.getItem("k")).rejects.toThrow(/timed out/);
  });
});

test("one that is away is told of by whoever asks, soon", async () => {
  const storage = await open({ url: `redis://127.0.0.1:${await freePort()}` });
  const startedAt = performance.now();
  await expect(storage.getItem("k")).rejects.toThrow();
  expect(performance.now() - startedAt).toBeLessThan(1500);
});
