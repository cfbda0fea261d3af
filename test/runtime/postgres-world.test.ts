import { expect, test } from "vitest";
import { assemblePostgresWorld } from "../../src/runtime/postgres-world.ts";

test("a variable that is no number above 0 is refused by its name, before anything connects", () => {
  for (const name of ["WORKFLOW_POSTGRES_WORKER_CONCURRENCY", "WORKFLOW_POSTGRES_MAX_POOL_SIZE"]) {
    for (const value of ["0", "-1", "1.5", "ten"]) {
      expect(() => assemblePostgresWorld({ [name]: value })).toThrow(
        `${name} must be a whole number above 0 (got "${value}")`,
      );
    }
  }
});

test("what is no URL of Postgres is refused", () => {
  expect(() => assemblePostgresWorld({ WORKFLOW_POSTGRES_URL: "redis://x" })).toThrow(
    "WORKFLOW_POSTGRES_URL must be a URL such as postgres://",
  );
});
