import { createWorld, setWorld } from "workflow/runtime";
import type { EngineHandler } from "./virtual/engine.ts";
import { openDelivery } from "./delivery.ts";
import type { RunEnds } from "./run-ends.ts";
import { createTurns } from "./turns.ts";

/** The engine's storage and queue. */
export type World = ReturnType<typeof createWorld>;

/** A World in use. */
export interface InstalledWorld {
  world: World;
  /** Starts the queue and queues the runs that a crash left; resolves when both are done. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** What the local World offers beyond the World's interface. */
interface DirectQueue {
  registerHandler?: (prefix: string, handler: (request: Request) => Promise<Response>) => void;
}

const flowPrefix = "__wkf_workflow_";
const stepPrefix = "__wkf_step_";

/**
 * Makes the World that the environment asks for the engine's own, with messages delivered inside
 * this process, so that the engine's public routes can be closed.
 */
export function installWorld(
  dataDir: string,
  engine: { flow: EngineHandler; step: EngineHandler },
  ends: RunEnds,
): InstalledWorld {
  process.env.WORKFLOW_LOCAL_DATA_DIR ??= dataDir;
  const created: DirectQueue & World = createWorld();
  const world: World = observed(created, ends);
  setWorld(world);
  const { registerHandler } = created;
  if (registerHandler) {
    registerHandler(flowPrefix, (req) => engine.flow({ req }));
    registerHandler(stepPrefix, (req) => engine.step({ req }));
    // Its own start() fails in a bundle, where it cannot read its version; all it does for us is this.
    return { world, start: () => requeue(world), close: async () => created.close?.() };
  }
  let delivery: Awaited<ReturnType<typeof openDelivery>> | undefined;
  return {
    world,
    async start() {
      delivery = await openDelivery(engine);
      process.env.WORKFLOW_LOCAL_BASE_URL = delivery.url;
      await created.start?.();
    },
    async close() {
      await created.close?.();
      await delivery?.close();
    },
  };
}

/**
 * The same World, which stores the events of a run one after another and tells when the run has ended.
 *
 * The engine's local World numbers an event when it begins to store it. Stored side by side, an event
 * could show up behind one that a replay has already seen in its place: the replays then disagree, and
 * a step gets the arguments, or the result, of another.
 */
function observed(world: World, ends: RunEnds): World {
  const turns = createTurns();
  return aroundCreate(world, async ({ runId, eventType }, create) => {
    if (!runId) return create();
    const result = await turns.take(runId, create);
    if (/^run_(?:completed|failed|cancelled)$/.test(eventType)) ends.notify(runId);
    return result;
  });
}

/** The same World with something done around each event it stores. */
export function aroundCreate(
  world: World,
  around: <T>(
    event: { eventType: string; runId: string | null },
    create: () => Promise<T>,
  ) => Promise<T>,
): World {
  // One signature for the overloads, which differ only in the event's type.
  const create = world.events.create as unknown as (
    runId: string | null,
    data: { eventType: string },
    ...rest: unknown[]
  ) => Promise<unknown>;
  const wrapped: typeof create = (runId, data, ...rest) =>
    around({ runId, eventType: data.eventType }, () => create(runId, data, ...rest));
  return {
    ...world,
    events: { ...world.events, create: wrapped as unknown as World["events"]["create"] },
  };
}

/** Queues every run that has not ended; a message for one that is queued already does no harm. */
async function requeue(world: World): Promise<void> {
  for (const status of ["pending", "running"] as const) {
    let cursor: string | undefined;
    do {
      const page = await world.runs.list({
        status,
        resolveData: "none",
        pagination: { limit: 100, ...(cursor && { cursor }) },
      });
      for (const { runId, workflowName, deploymentId, specVersion } of page.data) {
        await world.queue(
          `${flowPrefix}${workflowName}` as Parameters<World["queue"]>[0],
          { runId },
          { deploymentId, ...(specVersion !== undefined && { specVersion }) },
        );
      }
      cursor = page.hasMore ? (page.cursor ?? undefined) : undefined;
    } while (cursor);
  }
}
