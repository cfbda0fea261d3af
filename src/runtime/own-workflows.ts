import { workflowEntrypoint } from "workflow/runtime";
import { runWorkflow } from "../core/run-workflow.ts";
import { type EngineHandlers, queuePrefixes, type World } from "./engine-world.ts";
import type { EngineHandler } from "./virtual/engine.ts";
import script from "./workflows/script.ts";

type QueueHandler = Parameters<World["createQueueHandler"]>[1];

/** Queues of the package's own workflows start so. */
export const ownQueuePrefix: string = `${queuePrefixes.flow}${runWorkflow.workflowId.replace(/[^/]+$/, "")}`;

/** The engine's handler for the package's own workflows, as its queue calls it. */
export function ownQueueHandler(): QueueHandler {
  let kept: QueueHandler | undefined;
  entrypoint((_prefix, handler) => {
    kept = handler;
    return async () => new Response(null, { status: 403 });
  });
  return kept!;
}

/** The engine's handlers with the package's own workflows beside the app's, for a World that delivers requests. */
export function withOwnWorkflows(
  { flow, step }: EngineHandlers,
  world: World,
): Required<EngineHandlers> {
  const own = entrypoint((prefix, handler) => world.createQueueHandler(prefix, handler));
  const either: EngineHandler = (event) => {
    const queue = event.req.headers.get("x-vqs-queue-name");
    if (queue?.startsWith(ownQueuePrefix)) return own(event.req);
    return flow ? flow(event) : Promise.resolve(new Response(null, { status: 503 }));
  };
  return { flow: either, step };
}

const handlersSlot: unique symbol = Symbol.for("@workflow/world//stubbedCache") as never;

/**
 * Has the engine make a handler of our script, with a World that only takes the handler: the engine asks
 * whichever is in its slot at that moment.
 */
function entrypoint(
  createQueueHandler: (prefix: never, handler: QueueHandler) => (req: Request) => Promise<Response>,
): (req: Request) => Promise<Response> {
  const slots = globalThis as { [handlersSlot]?: unknown };
  const before = slots[handlersSlot];
  slots[handlersSlot] = { createQueueHandler };
  try {
    return workflowEntrypoint(script) as (req: Request) => Promise<Response>;
  } finally {
    slots[handlersSlot] = before;
  }
}
