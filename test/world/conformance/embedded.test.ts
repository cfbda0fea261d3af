import { differencesOf } from "./differences.ts";
import { createEmbedded } from "./embedded.ts";
import { describeWorld } from "./suite.ts";

describeWorld("the embedded World", {
  create: createEmbedded,
  differences: differencesOf("ours"),
});
