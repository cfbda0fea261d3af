export { createEmbeddedWorld } from "./world.ts";
export type {
  Claim,
  ClaimedStart,
  EmbeddedWorld,
  EmbeddedWorldOptions,
  LabelledRun,
  LabelledRuns,
  RunEnd,
  RunLabels,
  World,
  WorldStats,
} from "./types.ts";
export type { RunQuery } from "../types/run-query.ts";
