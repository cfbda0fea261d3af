import { OrchestratorError } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";

/** A connection to Redis that comes back by itself. */
export interface RedisConnection {
  /** A client of `ioredis`. */
  client: unknown;
  close(): void;
}

/** How long a start waits for Redis, which it can do without. */
const START_MS = 1000;

/** Between two attempts to connect again. */
const RETRY_MS = 1000;

/**
 * Connects to Redis; resolves when it is there, or has not been for a second. It is tried for ever, which
 * keeps no process alive, and said once when it goes away and once when it is back.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, for what is no URL of Redis, or where `ioredis` is missing
 */
export async function openRedis(url: string, variable: string): Promise<RedisConnection> {
  const where = placeOf(url, variable);
  const { Redis } = await importClient(variable);
  const client = new Redis(url, {
    lazyConnect: true,
    // Who asks has something else to do without an answer.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 500,
    connectTimeout: 2000,
    retryStrategy: () => null,
  });
  const closing = new AbortController();
  let away = false;
  let reason = "";
  client.on("error", ({ message }: Error) => (reason = message));
  client.on("connect", () => client.stream.unref());
  client.on("ready", () => {
    if (away) console.error(`[orchestrator] Redis at ${where} is back`);
    away = false;
  });
  const connect = (): Promise<void> => client.connect().catch(() => undefined);
  client.on("end", async () => {
    if (closing.signal.aborted) return;
    if (!away) {
      console.error(
        `[orchestrator] Redis at ${where} is away${reason && ` (${reason})`}: until it is back, this process counts by itself`,
      );
    }
    away = true;
    await idleSleep(RETRY_MS, closing.signal);
    if (!closing.signal.aborted) void connect();
  });
  await Promise.race([connect(), idleSleep(START_MS, closing.signal)]);
  return {
    client,
    close() {
      closing.abort();
      // One that has ended would wait two seconds for the end of nothing.
      if (client.status !== "end") client.disconnect();
    },
  };
}

/**
 * Host and port of a URL, without the password.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, for what is no URL of Redis
 */
export function placeOf(url: string, variable: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed && /^rediss?:$/.test(parsed.protocol) && parsed.hostname !== "") return parsed.host;
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `${variable} must be a URL such as redis://localhost:6379`,
  );
}

/**
 * The client's package: a plain import() of a literal, so that a bundler traces it where it is installed and leaves
 * the import alone where it is not.
 *
 * @throws OrchestratorError `CONFIG_INVALID` where it is missing
 */
export async function importClient(
  variable: string,
): Promise<Pick<typeof import("ioredis"), "Cluster" | "Redis">> {
  try {
    return await import("ioredis");
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${variable} is set, which needs the package ioredis. Install it with \`npm install ioredis@5\`.`,
      { cause: error },
    );
  }
}
