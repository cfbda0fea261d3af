import { differencesOf } from "./differences.ts";
import { describeWorld } from "./suite.ts";
import { createLocal } from "./worlds.ts";

describeWorld("@workflow/world-local", {
  create: createLocal,
  differences: differencesOf("local"),
});
