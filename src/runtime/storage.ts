import { OrchestratorError, reasonOf } from "../core/errors.ts";
import type { RegistryStorageConfig } from "../types/config.ts";
import type { SharedStorage } from "../types/server.ts";
import { join } from "pathe";
import type { Driver } from "unstorage";

type DriverModule = { default: (options: Record<string, unknown>) => Driver };

/** Drivers that a bundler takes along; it leaves an import alone whose package is not installed. */
const bundled: Record<string, () => Promise<unknown>> = {
  fs: () => import("unstorage/drivers/fs"),
  "fs-lite": () => import("unstorage/drivers/fs-lite"),
  http: () => import("unstorage/drivers/http"),
  memory: () => import("unstorage/drivers/memory"),
  redis: () => import("unstorage/drivers/redis"),
};

/** What a client of Redis is told: who asks has something else to do without an answer. */
const redisDefaults = {
  base: "orchestrator:registry",
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  commandTimeout: 1000,
  connectTimeout: 2000,
  scanCount: 1000,
};

/** How long a start waits for Redis, which it can do without. */
const START_MS = 1000;

/** Where a registry's storage is, where nothing else is said. */
export interface StorageDefaults {
  /** `ORCHESTRATOR_REDIS_URL`. */
  redisUrl: string | undefined;
  /** Absolute path of the data folder. */
  dataDir: string;
}

/**
 * Opens a storage by its driver's name: Redis where its URL is known, else a folder below the data folder.
 *
 * @param path what messages call the option, such as `orchestrator.registry.storage`
 * @throws OrchestratorError `CONFIG_INVALID` for a driver that is not known, or cannot be made
 */
export async function openStorage(
  config: RegistryStorageConfig | undefined,
  { redisUrl, dataDir }: StorageDefaults,
  path: string,
): Promise<SharedStorage> {
  const { driver: name, ...given } =
    config ?? (redisUrl ? { driver: "redis" } : { driver: "fs-lite" });
  let options: Record<string, unknown> = given;
  if (name === "redis") {
    const elsewhere = "url" in given || "host" in given || "cluster" in given;
    options = { ...redisDefaults, ...(redisUrl && !elsewhere && { url: redisUrl }), ...given };
    assertRedisUrl(options.url, config ? `${path}.url` : "ORCHESTRATOR_REDIS_URL");
  }
  if ((name === "fs" || name === "fs-lite") && given.base === undefined) {
    options = { ...given, base: join(dataDir, "registry") };
  }
  const { builtinDrivers, createStorage } = await import("unstorage");
  const { default: createDriver } = await importDriver(name, builtinDrivers, path);
  try {
    const driver = createDriver(options);
    if (name === "redis") await connected(driver);
    return createStorage({ driver }) as SharedStorage;
  } catch (error) {
    const reason = reasonOf(error);
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path} does not suit the driver "${name}": ${reason}`,
      {
        cause: error,
      },
    );
  }
}

async function importDriver(
  name: string,
  known: Readonly<Record<string, string>>,
  path: string,
): Promise<DriverModule> {
  try {
    if (bundled[name]) return (await bundled[name]()) as DriverModule;
    const specifier = Object.hasOwn(known, name) ? known[name] : undefined;
    if (specifier === undefined) throw unknownDriver(name, Object.keys(known), path);
    // Only known at start, so no bundler may look into it.
    return (await import(/* @vite-ignore */ specifier)) as DriverModule;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    const missing = /Cannot find (?:package|module) '([^']+)'/.exec(reasonOf(error))?.[1] ?? name;
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path}.driver "${name}" needs the package ${missing}. Install it with \`npm install ${missing}\`.`,
      { cause: error },
    );
  }
}

function unknownDriver(name: string, all: readonly string[], path: string): OrchestratorError {
  // The others are the same in another spelling.
  const known = all.filter((one) => !/[A-Z]/.test(one));
  return new OrchestratorError(
    "CONFIG_INVALID",
    `${path}.driver must be a driver of unstorage (got "${name}"). Known: ${known.toSorted().join(", ")}`,
  );
}

function assertRedisUrl(url: unknown, path: string): void {
  if (url === undefined) return;
  const isRedis = typeof url === "string" && /^rediss?:\/\/[^/]/.test(url) && URL.canParse(url);
  if (isRedis) return;
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `${path} must be a URL such as redis://localhost:6379`,
  );
}

/** The part of a client of `ioredis` that is used. */
interface RedisClient {
  status: string;
  on(event: string, listener: () => void): void;
  off(event: string, listener: () => void): void;
}

/** Waits for a connection, and has what goes wrong later told by those who ask. */
async function connected(driver: Driver): Promise<void> {
  const client = driver.getInstance?.() as RedisClient;
  client.on("error", () => undefined);
  if (client.status === "ready") return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      client.off("ready", end);
      resolve();
    };
    const timer = setTimeout(end, START_MS);
    client.on("ready", end);
  });
}
