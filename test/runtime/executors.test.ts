import { expect, test } from "vitest";
import { createExecutors } from "../../src/runtime/executors.ts";

const redis = { prefix: "orchestrator" };
const postgres = {};
const nowhere = "postgres://127.0.0.1:1/none";

test("nothing configured: only what needs nothing", async () => {
  const executors = createExecutors({ config: { redis, postgres }, env: {} });
  await executors.start();
  expect([...executors.modes]).toEqual(["local", "remote"]);
  expect(executors.of("redis")).toBeUndefined();
  await executors.close();
});

test.each([
  ["the option", { redis: { ...redis, url: "redis://127.0.0.1:1" }, postgres }, {}],
  ["the variable", { redis, postgres }, { ORCHESTRATOR_REDIS_URL: "redis://127.0.0.1:1" }],
])("%s configures redis", (_name, config, env) => {
  expect([...createExecutors({ config, env }).modes]).toContain("redis");
});

test("a variable that is no URL stops the start, and is not repeated", async () => {
  const env = { ORCHESTRATOR_REDIS_URL: "secret" };
  await expect(createExecutors({ config: { redis, postgres }, env }).start()).rejects.toMatchObject(
    {
      code: "CONFIG_INVALID",
      message: "ORCHESTRATOR_REDIS_URL must be a URL such as redis://localhost:6379",
    },
  );
});

test.each([
  ["the option", { redis, postgres: { url: nowhere } }, {}],
  ["the variable", { redis, postgres }, { ORCHESTRATOR_POSTGRES_URL: nowhere }],
  [
    "the World's variable",
    { redis, postgres },
    { WORKFLOW_TARGET_WORLD: "@workflow/world-postgres", WORKFLOW_POSTGRES_URL: nowhere },
  ],
])("%s configures postgres", (_name, config, env) => {
  expect([...createExecutors({ config, env }).modes]).toContain("postgres");
});

test("the World's variable counts only where the World is Postgres", () => {
  const { modes } = createExecutors({
    config: { redis, postgres },
    env: { WORKFLOW_POSTGRES_URL: nowhere },
  });
  expect([...modes]).not.toContain("postgres");
});

test("a variable that is no URL of Postgres stops the start, and is not repeated", async () => {
  const env = { ORCHESTRATOR_POSTGRES_URL: "secret" };
  await expect(createExecutors({ config: { redis, postgres }, env }).start()).rejects.toMatchObject(
    {
      code: "CONFIG_INVALID",
      message: "ORCHESTRATOR_POSTGRES_URL must be a URL such as postgres://localhost:5432/checks",
    },
  );
});
