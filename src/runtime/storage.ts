import { OrchestratorError, reasonOf } from "../core/errors.ts";
import type { RegistryStorageConfig } from "../types/config.ts";
import type { SharedStorage } from "../types/server.ts";
import { join } from "pathe";
import type { Driver } from "unstorage";
import { createRedisDriver } from "./redis-storage.ts";

type DriverModule = { default: (options: Record<string, unknown>) => Driver };

/** Drivers that a bundler takes along. */
const bundled: Record<string, () => Promise<unknown>> = {
  fs: () => import("unstorage/drivers/fs"),
  "fs-lite": () => import("unstorage/drivers/fs-lite"),
  http: () => import("unstorage/drivers/http"),
  memory: () => import("unstorage/drivers/memory"),
};

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
  const { driver: name, ...given } = config ?? { driver: redisUrl ? "redis" : "fs-lite" };
  const { builtinDrivers, createStorage } = await import("unstorage");
  if (name === "redis") {
    const elsewhere = ["cluster", "host", "path", "url"].some((key) => key in given);
    const options = { ...(redisUrl && !elsewhere && { url: redisUrl }), ...given };
    const where = elsewhere || !redisUrl ? `${path}.url` : "ORCHESTRATOR_REDIS_URL";
    return createStorage({ driver: await createRedisDriver(options, where) }) as SharedStorage;
  }
  const isFolder = name === "fs" || name === "fs-lite";
  const options = isFolder ? { base: join(dataDir, "registry"), ...given } : given;
  const { default: createDriver } = await importDriver(name, builtinDrivers, path);
  try {
    return createStorage({ driver: createDriver(options) }) as SharedStorage;
  } catch (error) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path} does not suit the driver "${name}": ${reasonOf(error)}`,
      { cause: error },
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
