import { createOwnPostgres } from "./postgres-own.ts";
import { differencesOf } from "./differences.ts";
import { describeWorld } from "./suite.ts";

describeWorld("our World on Postgres", {
  create: createOwnPostgres,
  differences: differencesOf("postgresOwn"),
});
