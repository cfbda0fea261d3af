export { createEmbeddedWorld } from "./world.ts";
export type {
  Claim,
  ClaimedStart,
  EmbeddedWorld,
  EmbeddedWorldOptions,
  RunEnd,
  RunStart,
  World,
  WorldStats,
} from "./types.ts";
