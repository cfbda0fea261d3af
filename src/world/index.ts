export { createEmbeddedWorld } from "./world.ts";
export type {
  Claim,
  ClaimedStart,
  EmbeddedWorld,
  EmbeddedWorldOptions,
  RunEnd,
  World,
  WorldStats,
} from "./types.ts";
