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
  RunQuery,
  World,
  WorldStats,
} from "./types.ts";
