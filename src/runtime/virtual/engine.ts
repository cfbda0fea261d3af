// Stands for `#orchestrator/virtual/engine` where no Nitro build made it.

/** A Nitro handler of the engine's. */
export type EngineHandler = (event: { req: Request }) => Promise<Response>;

/** Replays a workflow for a queue message. */
export const flow: EngineHandler = undefined as never;
/** Executes a step for a queue message. */
export const step: EngineHandler = undefined as never;
