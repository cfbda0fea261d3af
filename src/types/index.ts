export type * from "./config.ts";
export type * from "./engine.ts";
export type * from "./executor.ts";
export type * from "./manifest.ts";
export type * from "./run.ts";
export type * from "./runner.ts";
export type * from "./server.ts";
export type * from "./shard.ts";
