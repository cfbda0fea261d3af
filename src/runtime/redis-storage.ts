import type { Driver } from "unstorage";
import { idleSleep } from "../core/sleep.ts";
import { importClient, placeOf } from "./redis.ts";

/** Options as unstorage's own driver takes them; the rest is for the client. */
interface RedisStorageOptions extends Record<string, unknown> {
  url?: unknown;
  /** What all keys begin with. */
  base?: unknown;
  cluster?: unknown;
  clusterOptions?: unknown;
}

/** The part of a client of `ioredis` that is used. */
interface Client {
  status: string;
  /** That of a single server. */
  stream?: { unref(): void };
  on(event: string, listener: () => void): void;
  once(event: string, listener: () => void): void;
  connect(): Promise<void>;
  disconnect(): void;
  exists(key: string): Promise<number>;
  get(key: string): Promise<string | null>;
  mget(...keys: string[]): Promise<(string | null)[]>;
  set(key: string, value: string): Promise<unknown>;
  unlink(...keys: string[]): Promise<unknown>;
  scan(cursor: string, ...rest: (number | string)[]): Promise<[cursor: string, keys: string[]]>;
}

/** Whoever asks has something else to do without an answer. */
const impatient = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  commandTimeout: 1000,
  connectTimeout: 2000,
};

/** How long a start waits for Redis, which it can do without. */
const START_MS = 1000;

/** Between two attempts to connect again. */
const RETRY_MS = 500;

/** Keys looked at in one go. */
const SCAN_COUNT = 1000;

/**
 * A driver for Redis, which takes the options of unstorage's own and gives up sooner: it comes back by itself, keeps
 * no process alive, and can be bundled where `ioredis` is not installed.
 *
 * @param path what messages call the option
 * @throws OrchestratorError `CONFIG_INVALID`, for what is no URL of Redis, or where `ioredis` is missing
 */
export async function createRedisDriver(
  options: RedisStorageOptions,
  path: string,
): Promise<Driver> {
  const { url, base = "orchestrator:registry", cluster, clusterOptions, ...rest } = options;
  if (url !== undefined) placeOf(String(url), path);
  const { Redis, Cluster } = await importClient(path);
  const closing = new AbortController();
  const single = { ...impatient, ...rest, lazyConnect: true, retryStrategy: () => null };
  const client = (cluster
    ? new Cluster(cluster as [], { enableOfflineQueue: false, ...(clusterOptions as object) })
    : url === undefined
      ? new Redis(single)
      : new Redis(String(url), single)) as unknown as Client;
  // Those who ask tell what goes wrong.
  client.on("error", () => undefined);
  client.on("connect", () => client.stream?.unref());
  const ready = new Promise<void>((resolve) => client.once("ready", resolve));
  if (!cluster) {
    const connect = (): Promise<void> => client.connect().catch(() => undefined);
    client.on("end", async () => {
      await idleSleep(RETRY_MS, closing.signal);
      if (!closing.signal.aborted) void connect();
    });
    void connect();
  }
  await Promise.race([ready, idleSleep(START_MS, closing.signal)]);

  const prefix = `${String(base).replace(/:$/, "")}:`;
  const full = (key: string): string => prefix + key;
  return {
    name: "redis",
    getInstance: () => client,
    hasItem: async (key) => (await client.exists(full(key))) > 0,
    getItem: (key) => client.get(full(key)),
    async getItems(items) {
      const values = await client.mget(...items.map(({ key }) => full(key)));
      return items.map(({ key }, at) => ({ key, value: values[at] ?? null }));
    },
    setItem: async (key, value) => void (await client.set(full(key), value)),
    removeItem: async (key) => void (await client.unlink(full(key))),
    async getKeys() {
      // Some may come twice.
      const keys = new Set<string>();
      const pattern = `${prefix.replaceAll(/[*?[\]\\^]/g, "\\$&")}*`;
      let cursor = "0";
      do {
        const scanned = await client.scan(cursor, "MATCH", pattern, "COUNT", SCAN_COUNT);
        cursor = scanned[0];
        for (const key of scanned[1]) keys.add(key.slice(prefix.length));
      } while (cursor !== "0");
      return [...keys];
    },
    dispose() {
      closing.abort();
      // One that has ended would wait two seconds for the end of nothing.
      if (client.status !== "end") client.disconnect();
    },
  };
}
