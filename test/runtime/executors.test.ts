import { expect, test } from "vitest";
import { createExecutors } from "../../src/runtime/executors.ts";

const redis = { prefix: "orchestrator" };

test("nothing configured: only what needs nothing", async () => {
  const executors = createExecutors({ config: { redis }, env: {} });
  await executors.start();
  expect([...executors.modes]).toEqual(["local", "remote"]);
  expect(executors.of("redis")).toBeUndefined();
  await executors.close();
});

test.each([
  ["the option", { redis: { ...redis, url: "redis://127.0.0.1:1" } }, {}],
  ["the variable", { redis }, { ORCHESTRATOR_REDIS_URL: "redis://127.0.0.1:1" }],
])("%s configures redis", (_name, config, env) => {
  expect([...createExecutors({ config, env }).modes]).toContain("redis");
});

test("a variable that is no URL stops the start, and is not repeated", async () => {
  const env = { ORCHESTRATOR_REDIS_URL: "secret" };
  await expect(createExecutors({ config: { redis }, env }).start()).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: "ORCHESTRATOR_REDIS_URL must be a URL such as redis://localhost:6379",
  });
});
