import { expect, test } from "vitest";
import { resolveExecutors } from "../../src/core/executor-options.ts";

test("nothing given: defaults alone", () => {
  expect(resolveExecutors()).toEqual({ redis: { prefix: "orchestrator" }, postgres: {} });
  expect(resolveExecutors({ redis: {} })).toEqual({
    redis: { prefix: "orchestrator" },
    postgres: {},
  });
});

test("what is given is taken", () => {
  const redis = { url: "rediss://user:secret@redis.example.com:6380/2", prefix: "{checks}" };
  const postgres = { url: "postgresql://user:secret@db.example.com/checks" };
  const kubernetes = { image: "checks:1", ttl: 1000, outage: 2000 };
  expect(resolveExecutors({ redis, postgres, kubernetes })).toEqual({
    redis,
    postgres,
    kubernetes,
  });
});

test.each([
  [[], "orchestrator.executors must be an object (got [])"],
  [
    { rabbit: {} },
    "orchestrator.executors.rabbit is not an option. Known: redis, postgres, kubernetes",
  ],
  [
    { postgres: { prefix: "x" } },
    "orchestrator.executors.postgres.prefix is not an option. Known: url",
  ],
  [
    { postgres: { url: "http://:secret@x" } },
    "orchestrator.executors.postgres.url must be a URL such as postgres://localhost:5432/checks",
  ],
  [{ redis: "redis://x" }, 'orchestrator.executors.redis must be an object (got "redis://x")'],
  [
    { redis: { host: "x" } },
    "orchestrator.executors.redis.host is not an option. Known: url, prefix",
  ],
  [
    { redis: { url: "http://:secret@x" } },
    "orchestrator.executors.redis.url must be a URL such as redis://localhost:6379",
  ],
  [{ kubernetes: {} }, "orchestrator.executors.kubernetes must have an image or a template"],
  [
    { redis: { prefix: "a:b" } },
    'orchestrator.executors.redis.prefix must be 1 to 100 letters, digits and . _ - { } (got "a:b")',
  ],
])("%j is refused", (given, message) => {
  expect(() => resolveExecutors(given)).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID", message }),
  );
});
