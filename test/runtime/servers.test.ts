import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { createDispatcher } from "../../src/core/dispatch.ts";
import { createLoadBalancer } from "../../src/core/load-balancer.ts";
import { parseRegistry } from "../../src/core/server-options.ts";
import { resolveHandlerOptions } from "../../src/runtime/handler-options.ts";
import { createServers, type ServerParts } from "../../src/runtime/servers.ts";
import { hasRedis, startRedis } from "../_support/redis.ts";

const dir = await mkdtemp(join(tmpdir(), "servers-"));
const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const circuit = { failures: 3, cooldown: 10_000 };
const server = { id: "a", url: "http://127.0.0.1:1", region: "eu", capacity: 3 };

/** The servers of one process, as its options or its environment describe them. */
async function serversOf(
  registry: unknown,
  env: Record<string, string> = {},
  notes: string[] = [],
): Promise<ServerParts> {
  const parsed = registry === undefined ? undefined : parseRegistry(registry, "registry");
  const parts = await createServers({ circuit, registry: parsed ?? { type: "env" } }, undefined, {
    env,
    dataDir: dir,
    note: (message) => notes.push(message),
  });
  stops.push(parts.close);
  return parts;
}

/** Resolves when a process has heard of the server that joined at another. */
async function known({ members }: ServerParts): Promise<void> {
  const find = () => members.find("a");
  await expect.poll(find, { interval: 50, timeout: 3000 }).toMatchObject(server);
}

test.each([
  [{ type: "storage" }],
  [{ type: "storage", storage: { driver: "fs", base: join(dir, "other") }, ttl: 6000, open: true }],
])("ORCHESTRATOR_REGISTRY is read as the option is: %j", async (config) => {
  const ORCHESTRATOR_REGISTRY = JSON.stringify(config);
  const one = await serversOf(undefined, { ORCHESTRATOR_REGISTRY });
  const other = await serversOf(config);
  await one.members.join(server);
  await known(other);
  expect(one.members.open).toBe("open" in config);
  expect(one.members.terms).toEqual(
    "ttl" in config ? { interval: 2000, ttl: 6000 } : { interval: 10_000, ttl: 30_000 },
  );
});

test("by its name alone it is in a folder of the data folder, and outlives its process", async () => {
  const one = await serversOf("StorageServerRegistry");
  await one.members.join({ ...server, id: "stays" });
  await one.close();
  const next = await serversOf("storage");
  expect(await next.members.find("stays")).toMatchObject({ id: "stays", region: "eu" });
});

test("servers join the registry in memory too, and leave by their silence", async () => {
  const parts = await serversOf({ type: "in-memory", servers: [server], ttl: 60, heartbeat: 20 });
  const { kind, server: joined } = await parts.members.join({ ...server, id: "b" });
  expect([kind, joined.leavesAt! - joined.lastSeenAt!]).toEqual(["joined", 60]);
  expect((await parts.registry.list()).map(({ id }) => id)).toEqual(["a", "b"]);
  await expect
    .poll(async () => (await parts.registry.list()).map(({ id }) => id), { interval: 20 })
    .toEqual(["a"]);
});

test("the load that a server tells is told without the jobs that are known", async () => {
  const { members, leases } = await serversOf({ type: "in-memory", servers: [] });
  leases.acquire("a", { ttl: 60_000 });
  leases.acquire("a", { ttl: 60_000 });
  expect((await members.join({ ...server, load: 5 })).server).toMatchObject({
    inFlight: 2,
    load: 3,
  });
  expect(await members.heartbeat("a", { load: 1 })).toMatchObject({ inFlight: 2, load: 0 });
});

describe("what is wrong is named", () => {
  test.each([
    [{ type: "storage", storage: "fs" }, "registry.storage must be an object"],
    [{ type: "storage", storage: {} }, "registry.storage.driver must be the name of a driver"],
    [{ type: "storage", storage: { driver: "a/b" } }, "registry.storage.driver must be the name"],
    [{ type: "storage", servers: [{ id: "a" }] }, "registry.servers[0].url must be"],
    [{ type: "storage", ttl: 0 }, "registry.ttl must be"],
    [{ type: "storage", ttl: 5000, heartbeat: 5000 }, "registry.ttl must be longer than"],
    [{ type: "storage", open: "yes" }, "registry.open must be true or false"],
    [{ type: "storage", driver: "fs" }, "registry.driver is not an option. Known: type, storage"],
    [{ type: "in-memory", servers: [], storage: {} }, "registry.storage is not an option"],
    [{ type: "redis" }, 'registry.type must be {type: "in-memory", servers: […]}'],
    ["StorageRegistry", "registry must be {type:"],
  ])("%j", (value, message) => {
    expect(() => parseRegistry(value, "registry")).toThrow(message);
    const options = { registry: value };
    expect(() => resolveHandlerOptions(options)).toThrow(`orchestrator.${message}`);
  });

  test.each([
    [
      { driver: "nosuch" },
      /registry\.storage\.driver must be a driver of unstorage .*nosuch.*Known: .*fs-lite.*redis/,
    ],
    [
      { driver: "redis", url: "localhost:6379" },
      /registry\.storage\.url must be a URL such as redis:/,
    ],
    [
      { driver: "mongodb" },
      /driver "mongodb" needs the package mongodb\. Install it with `npm install mongodb`/,
    ],
    [
      { driver: "lru-cache", max: "many" },
      /registry\.storage does not suit the driver "lru-cache"/,
    ],
  ])("%j", async (storage, message) => {
    await expect(serversOf({ type: "storage", storage })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(message),
    });
  });

  test("of the environment too", async () => {
    const parts = serversOf({ type: "storage" }, { ORCHESTRATOR_REDIS_URL: "http://localhost" });
    await expect(parts).rejects.toThrow("ORCHESTRATOR_REDIS_URL must be a URL such as redis:");
  });
});

/** Jobs of two processes at a server with three places; answers with the most that were there at once. */
async function mostAtOnce(both: readonly ServerParts[], count: number): Promise<number> {
  let now = 0;
  let most = 0;
  const dispatchers = both.map(({ registry, leases }) =>
    createDispatcher({
      registry,
      leases,
      loadBalancer: createLoadBalancer("least-load"),
      executor: {
        name: "test",
        async execute() {
          most = Math.max(most, ++now);
          await new Promise((resolve) => setTimeout(resolve, 15));
          now--;
          return { results: [{ name: "a", status: "pass" }] };
        },
      },
      execution: { attempts: 1, timeout: 5000, wait: 60_000 },
    }),
  );
  const job = { url: "https://x.test", runners: ["a"], region: "eu" };
  const dispatch = (at: number) =>
    dispatchers[at % 2]!.dispatch(job, { runId: "r", jobId: `j${at}` });
  // Each has had a job there: both have heard of it, and of each other.
  await Promise.all([dispatch(0), dispatch(1)]);
  await Promise.all(Array.from({ length: count }, (_, at) => dispatch(at)));
  return most;
}

test("two processes on a folder never have more jobs at a server than it takes", async () => {
  const config = { type: "storage", storage: { driver: "fs-lite", base: join(dir, "two") } };
  const both = [await serversOf(config), await serversOf(config)];
  await both[0]!.members.join(server);
  expect(await mostAtOnce(both, 40)).toBe(3);
}, 20_000);

describe.runIf(hasRedis)("on Redis", async () => {
  const redis = hasRedis ? await startRedis() : undefined;
  afterAll(() => redis?.kill());
  const env = { ORCHESTRATOR_REDIS_URL: redis?.url ?? "" };

  test("which is where its URL is known, two share servers, circuits and places", async () => {
    const both = [await serversOf("storage", env), await serversOf("storage", env)];
    const [one, other] = both as [ServerParts, ServerParts];
    await one.members.join(server);
    await known(other);
    expect(await mostAtOnce(both, 60)).toBe(3);
    for (let failure = 0; failure < 3; failure++) {
      await both[failure % 2]!.registry.report("a", { ok: false, error: "refused" });
    }
    await expect
      .poll(async () => (await one.members.find("a"))?.circuit, { interval: 50 })
      .toBe("open");
    expect(await other.members.leave("a")).toBe("left");
    await expect.poll(() => one.members.find("a"), { interval: 50, timeout: 3000 }).toBeUndefined();
  }, 20_000);

  test("that goes away and comes back, without harm", async () => {
    const notes: string[] = [];
    const one = await serversOf({ type: "storage", servers: [server] }, env, notes);
    await one.members.join({ ...server, id: "b" });
    await redis!.kill();
    const ids = async () => (await one.registry.list()).map(({ id }) => id);
    await expect.poll(() => (ids(), notes.length), { interval: 50, timeout: 5000 }).toBe(1);
    expect(await ids()).toEqual(["a", "b"]);
    await expect(one.members.join({ ...server, id: "c" })).rejects.toMatchObject({
      retryable: true,
    });
    await redis!.restart();
    // It has forgotten them: whoever lives joins again.
    await expect.poll(ids, { interval: 50, timeout: 10_000 }).toEqual(["a"]);
    expect(notes[1]).toBe("The registry's storage is back");
    expect((await one.members.join({ ...server, id: "b" })).kind).toBe("joined");
  }, 30_000);
});

test("a registry of the user's own in a storage shares its leases as well", async () => {
  const path = join(dir, "registry.mjs");
  const core = join(import.meta.dirname, "../../src/core/storage-registry.ts");
  await writeFile(
    path,
    `import { StorageServerRegistry } from ${JSON.stringify(core)};
import { createStorage } from ${JSON.stringify(import.meta.resolve("unstorage"))};
const storage = (globalThis.sharedForTest ??= createStorage());
export default () => new StorageServerRegistry({ storage, servers: [${JSON.stringify(server)}] });
`,
  );
  const both = [await serversOf(path), await serversOf(path)];
  both[0]!.leases.acquire("a", { ttl: 60_000 });
  await expect
    .poll(async () => (await both[1]!.members.find("a"))?.inFlight, { interval: 50 })
    .toBe(1);
});
