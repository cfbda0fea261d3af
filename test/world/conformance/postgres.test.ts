import { differencesOf } from "./differences.ts";
import { createPostgres } from "./postgres.ts";
import { describeWorld } from "./suite.ts";

describeWorld("our World on Postgres", {
  create: createPostgres,
  differences: differencesOf("postgres"),
});
