import { createHash } from "node:crypto";
import type { Redis, RedisOptions as ClientOptions } from "ioredis";
import { OrchestratorError } from "../core/errors.ts";
import { assertRedisPrefix, assertRedisUrl } from "../core/executor-options.ts";
import type { RedisExecutorConfig } from "../types/config.ts";
import type { WorkOrder } from "../types/work.ts";

/** The two packages, as far as they are used. */
export interface RedisPackages {
  bullmq: Pick<typeof import("bullmq"), "Queue" | "WaitingError" | "Worker">;
  Redis: typeof import("ioredis").Redis;
}

/** Why an order has no answer any more, which whoever says it first has said for all. */
export interface OrderVerdict {
  verdict: "cancelled" | "lost" | "timeout";
  worker?: string;
  reason?: string;
}

/** Orders and what is kept beside them, by their keys. */
export interface RedisNames {
  prefix: string;
  /** Channel on which workers say that an order has a new row. */
  news: string;
  /** Channel on which workers are told that an order has a verdict. */
  verdicts: string;
  /** Name of the queue of a region, `""` for none. */
  queue(region: string): string;
  /** An order in its region's queue, where BullMQ has it. */
  order(region: string, id: string): string;
  /** Workers that live, by the time until which they are taken to. */
  workers(region: string): string;
  verdict(order: string): string;
}

/** Milliseconds for which a worker that says nothing is taken to live. */
export const presenceMs = 4000;

/** Seconds for which orders that have ended are kept, and how many of a region. */
export const keptOrders: { readonly age: number; readonly count: number } = {
  age: 3600,
  count: 10_000,
};

/** Id of an order: the same attempt of the same job is the same order. */
export function orderId({
  idempotencyKey,
  attempt,
}: Pick<WorkOrder, "attempt" | "idempotencyKey">): string {
  return createHash("sha256").update(`${idempotencyKey}\n${attempt}`).digest("hex").slice(0, 40);
}

/** The names of everything below a prefix. */
export function namesBelow(prefix: string): RedisNames {
  const queue = (region: string): string =>
    // BullMQ refuses colons.
    region === "" ? "orders" : `orders.${encodeURIComponent(region)}`;
  return {
    prefix,
    news: `${prefix}:news`,
    verdicts: `${prefix}:verdicts`,
    queue,
    order: (region, id) => `${prefix}:${queue(region)}:${id}`,
    workers: (region) => `${prefix}:workers:${queue(region)}`,
    verdict: (order) => `${prefix}:verdict:${order}`,
  };
}

/**
 * A place as it is meant, and what messages call it, without a password.
 *
 * @param path what errors call the place, such as `orchestrator.executors.redis`
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function resolvePlace(
  {
    url = process.env.ORCHESTRATOR_REDIS_URL || undefined,
    prefix = "orchestrator",
  }: RedisExecutorConfig,
  path: string,
): { url: string; host: string; names: RedisNames } {
  if (url === undefined) {
    const message = `${path}.url must be the URL of a Redis: set it, or ORCHESTRATOR_REDIS_URL`;
    throw new OrchestratorError("CONFIG_INVALID", message);
  }
  assertRedisUrl(url, `${path}.url`);
  assertRedisPrefix(prefix, `${path}.prefix`);
  return { url, host: new URL(url).host, names: namesBelow(prefix) };
}

/**
 * Loads the packages that few need. Plain imports of literals, so that a bundler traces them where they are
 * installed and leaves them alone where they are not.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, which says what to install
 */
export async function loadPackages(wanted: string): Promise<RedisPackages> {
  try {
    const [bullmq, { Redis }] = await Promise.all([import("bullmq"), import("ioredis")]);
    return { bullmq, Redis };
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${wanted} needs the packages bullmq and ioredis. Install them with \`npm install bullmq ioredis@5\`.`,
      { cause: error },
    );
  }
}

/** A client that comes back by itself, and says once that Redis is away and once that it is back. */
export function openClient(
  { Redis }: RedisPackages,
  { url, host }: { url: string; host: string },
  options: ClientOptions,
  say: (message: string) => void,
): Redis {
  const client = new Redis(url, {
    connectTimeout: 2000,
    retryStrategy: (times) => Math.min(1000, 100 * 2 ** Math.min(times, 4)),
    ...options,
  });
  let away = false;
  client.on("error", ({ message }: Error) => {
    if (!away) say(`Redis at ${host} is away (${message})`);
    away = true;
  });
  client.on("close", () => {
    if (!away && client.status !== "end") say(`Redis at ${host} is away`);
    away = true;
  });
  client.on("ready", () => {
    if (away) say(`Redis at ${host} is back`);
    away = false;
  });
  return client;
}

/** Resolves when a client is connected, or has not been for so many milliseconds. */
export function connected(client: Redis, ms: number): Promise<boolean> {
  if (client.status === "ready") return Promise.resolve(true);
  return new Promise((resolve) => {
    const settle = (there: boolean): void => {
      clearTimeout(timer);
      client.off("ready", ready);
      resolve(there);
    };
    const ready = (): void => settle(true);
    const timer = setTimeout(() => settle(false), ms);
    client.on("ready", ready);
  });
}

/** Says that a worker lives; by the clock of Redis, which all share. */
export const livesScript = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2] * 2)
return 1`;

/** The workers that live. */
export const livingScript = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')`;
