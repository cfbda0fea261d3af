import { OrchestratorError } from "../core/errors.ts";
import { assertWithin, rateLimitBounds, resolveOrigin } from "../core/settings.ts";
import { errorResponse } from "../http/errors.ts";
import { createGuard, type Guard, type GuardOptions } from "../http/guard/guard.ts";
import { parseApiKeysText, parseKeyText } from "../http/guard/keys.ts";
import type { OrchestratorOptions } from "../types/config.ts";
import type { ApiKey } from "../types/handler.ts";
import { openRedis, type RedisConnection } from "./redis.ts";
import type { Environment } from "./servers.ts";

/** What a server's guard is made of. */
export interface ServerGuardParts {
  options: Pick<OrchestratorOptions, "cors" | "rateLimit">;
  /** The handler's option, which goes before the environment. */
  apiKeys?: readonly ApiKey[];
  /** Whether requests are limited where nothing says so. */
  limited: boolean;
  env: Environment;
}

/** A server's guard, and its life. */
export interface ServerGuard {
  guard: Guard;
  /** Rejects with `CONFIG_INVALID` for a variable that cannot be read. */
  start(): Promise<void>;
  close(): void;
}

/** Where nothing else is said: requests of one caller in so many milliseconds. */
const defaults = { window: 60_000, max: 120, trustProxy: 0 };

/** The guard that options and environment describe; nothing is read before it is started or asked. */
export function createServerGuard(parts: ServerGuardParts): ServerGuard {
  let redis: RedisConnection | undefined;
  let made: Guard | undefined;
  const current = (): Guard => (made ??= createGuard(guardOptions(parts, redis)));
  return {
    guard: {
      get tokens() {
        return current().tokens;
      },
      async answer(request, api) {
        try {
          return await current().answer(request, api);
        } catch (error) {
          // Asked before the start, which will not take what cannot be read.
          return errorResponse(error);
        }
      },
    },
    async start() {
      const { rateLimit } = guardOptions(parts, undefined);
      const url = parts.env.ORCHESTRATOR_REDIS_URL;
      if (url && rateLimit) redis = await openRedis(url, "ORCHESTRATOR_REDIS_URL");
      // Another, where one had to do without Redis before.
      made = createGuard(guardOptions(parts, redis));
    },
    close: () => redis?.close(),
  };
}

function guardOptions(parts: ServerGuardParts, redis: RedisConnection | undefined): GuardOptions {
  const keys = parts.apiKeys ?? keysOf(parts.env);
  const origins = parts.options.cors?.origins ?? originsOf(parts.env);
  const rateLimit = rateLimitOf(parts, keys !== undefined);
  return {
    ...(keys && { keys }),
    ...(origins && { origins }),
    ...(rateLimit && { rateLimit: { ...rateLimit, ...(redis && { redis: redis.client }) } }),
  };
}

/** One that is set and empty is refused: whoever meant to set a key would have none. */
function keysOf(env: Environment): ApiKey[] | undefined {
  const one = env.ORCHESTRATOR_API_KEY;
  const several = env.ORCHESTRATOR_API_KEYS;
  if (one === undefined && several === undefined) return undefined;
  const keys = several === undefined ? [] : parseApiKeysText(several, "ORCHESTRATOR_API_KEYS");
  if (one === undefined) return keys;
  const key = parseKeyText(one, "ORCHESTRATOR_API_KEY");
  const own: ApiKey = { name: "default", key, scopes: ["read", "run", "admin"] };
  if (keys.some((other) => other.name === own.name || other.key === key)) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      'ORCHESTRATOR_API_KEY has the key "default", whose name or characters ORCHESTRATOR_API_KEYS has too',
    );
  }
  return [own, ...keys];
}

function originsOf(env: Environment): string[] | undefined {
  const text = env.CORS_ORIGINS;
  if (text === undefined || text.trim() === "") return undefined;
  return text.split(",").map((origin, at) => resolveOrigin(origin, `CORS_ORIGINS[${at}]`));
}

function rateLimitOf(
  { options: { rateLimit }, limited, env }: ServerGuardParts,
  guessable: boolean,
): GuardOptions["rateLimit"] {
  if (rateLimit === false) return undefined;
  const said = {
    ...numberOf(env.RATE_LIMIT_WINDOW_MS, "window", "RATE_LIMIT_WINDOW_MS"),
    ...numberOf(env.RATE_LIMIT_MAX, "max", "RATE_LIMIT_MAX"),
  };
  const proxies = numberOf(env.RATE_LIMIT_TRUST_PROXY, "trustProxy", "RATE_LIMIT_TRUST_PROXY");
  const wanted = limited || rateLimit !== undefined || Object.keys(said).length > 0;
  if (!wanted && !guessable) return undefined;
  const values = { ...defaults, ...proxies, ...said, ...rateLimit };
  return { ...values, of: wanted ? "requests" : "guesses" };
}

function numberOf(
  text: string | undefined,
  key: keyof typeof rateLimitBounds,
  variable: string,
): Partial<Record<typeof key, number>> {
  if (text === undefined || text.trim() === "") return {};
  const number = /^\d+$/.test(text.trim()) ? Number(text) : text;
  assertWithin(number, rateLimitBounds[key], variable);
  return { [key]: number };
}
