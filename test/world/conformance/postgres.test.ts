import { differencesOf } from "./differences.ts";
import { describeWorld } from "./suite.ts";
import { createPostgres } from "./worlds.ts";

describeWorld("@workflow/world-postgres", {
  create: createPostgres,
  differences: differencesOf("postgres"),
});
