import type { ResolvedExecutors } from "../types/config.ts";
import { OrchestratorError } from "./errors.ts";
import { parseKubernetesOptions } from "./kubernetes-options.ts";
import { asObject, assertKnownKeys, invalid } from "./settings.ts";

/**
 * The executors of an `executors` option, checked, with defaults; whose place it leaves out, the environment
 * may say.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with the option's path
 */
export function resolveExecutors(value: unknown = {}): ResolvedExecutors {
  const path = "orchestrator.executors";
  const { redis, postgres, kubernetes, ...rest } = asObject(value, path);
  assertKnownKeys(rest, ["redis", "postgres", "kubernetes"], path);
  return {
    redis: resolveRedis(redis, `${path}.redis`),
    postgres: resolvePostgres(postgres, `${path}.postgres`),
    ...(kubernetes !== undefined && {
      kubernetes: parseKubernetesOptions(kubernetes, `${path}.kubernetes`),
    }),
  };
}

function resolveRedis(value: unknown = {}, path: string): ResolvedExecutors["redis"] {
  const given = asObject(value, path);
  assertKnownKeys(given, ["url", "prefix"], path);
  const { url, prefix = "orchestrator" } = given;
  if (url !== undefined) assertRedisUrl(url, `${path}.url`);
  assertRedisPrefix(prefix, `${path}.prefix`);
  return { ...(url !== undefined && { url }), prefix };
}

function resolvePostgres(value: unknown = {}, path: string): ResolvedExecutors["postgres"] {
  const given = asObject(value, path);
  assertKnownKeys(given, ["url"], path);
  const { url } = given;
  if (url !== undefined) assertPostgresUrl(url, `${path}.url`);
  return { ...(url !== undefined && { url }) };
}

/**
 * Refuses what is no URL of a Postgres.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with `path`
 */
export function assertPostgresUrl(value: unknown, path: string): asserts value is string {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  if (url && /^postgres(?:ql)?:$/.test(url.protocol)) return;
  // Not what it is: a password may stand in it.
  const message = `${path} must be a URL such as postgres://localhost:5432/checks`;
  throw new OrchestratorError("CONFIG_INVALID", message);
}

/**
 * Refuses what is no URL of a Redis.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with `path`
 */
export function assertRedisUrl(value: unknown, path: string): asserts value is string {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  if (url && /^rediss?:$/.test(url.protocol) && url.hostname !== "") return;
  // Not what it is: a password may stand in it.
  const message = `${path} must be a URL such as redis://localhost:6379`;
  throw new OrchestratorError("CONFIG_INVALID", message);
}

/**
 * Refuses what keys cannot start with.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with `path`
 */
export function assertRedisPrefix(value: unknown, path: string): asserts value is string {
  if (typeof value === "string" && /^[\w.{}-]{1,100}$/.test(value)) return;
  throw invalid(path, "must be 1 to 100 letters, digits and . _ - { }", value);
}
