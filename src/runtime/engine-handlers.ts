import { type EngineHandlers, queuePrefixes, type World } from "./engine-world.ts";
import { ownQueueHandler, ownQueuePrefix } from "./own-workflows.ts";
import { stepId } from "./workflows/calls.ts";

/** A queue that delivers its messages inside this process. */
export interface DirectQueue {
  createQueueHandler(prefix: QueuePrefix, handler: QueueHandler): unknown;
  registerHandler(
    prefix: string,
    handler: (request: Request) => Promise<Response>,
    options?: { always?: boolean },
  ): void;
}

type QueuePrefix = Parameters<World["createQueueHandler"]>[0];
type QueueHandler = Parameters<World["createQueueHandler"]>[1];

/** Has a queue's messages handled by the engine. */
export function bindEngine(queue: DirectQueue, engine: EngineHandlers): void {
  for (const kind of ["flow", "step"] as const) {
    const entry = engine[kind];
    if (!entry) continue;
    const handler = standInHandlers().get(queuePrefixes[kind]);
    // Without the app's workflows, their steps are left to a process that has them too.
    const prefix = engine.flow ? queuePrefixes[kind] : (ownStepPrefix as QueuePrefix);
    if (handler) queue.createQueueHandler(prefix, handler);
    // Dev has no stand-in, and its handlers load the newest build with each message.
    else queue.registerHandler(prefix, (req) => entry({ req }), { always: true });
  }
  queue.createQueueHandler(ownQueuePrefix as QueuePrefix, ownQueueHandler());
}

/** Queues of the package's own steps start so. */
const ownStepPrefix = `${queuePrefixes.step}${stepId("executeShard").replace(/[^/]+$/, "")}`;

/** The engine's own handlers, which the build's stand-in for the World has kept. */
function standInHandlers(): Map<string, QueueHandler> {
  const slots = globalThis as Record<symbol, unknown>;
  const kept = slots[Symbol.for("@runners/orchestrator//queue-handlers")];
  return (kept as Map<string, QueueHandler> | undefined) ?? new Map();
}
