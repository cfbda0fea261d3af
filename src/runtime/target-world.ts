import { createWorld } from "workflow/runtime";
import { openDelivery } from "./delivery.ts";
import { withOwnWorkflows } from "./own-workflows.ts";
import type { RunObserver } from "./observe-runs.ts";
import type { RunWatchers } from "./run-watchers.ts";
import { keepSignals } from "./signals.ts";
import { createTurns } from "../core/turns.ts";
import { aroundCreate, type EngineHandlers, queuePrefixes, type World } from "./engine-world.ts";

/** Who is told of ends of runs, and of starts and ends. */
export type Watchers = Record<"ends" | "news", RunWatchers> & {
  observer: Pick<RunObserver, "ended" | "started">;
};

/** What the local World offers beyond the World's interface. */
interface DirectQueue {
  registerHandler?: (prefix: string, handler: (request: Request) => Promise<Response>) => void;
}

/** The World that `WORKFLOW_TARGET_WORLD` names, with what it lacks made up for. */
export function createTargetWorld(
  localDir: string,
  appEngine: EngineHandlers,
  watchers: Watchers,
): { world: World; start(): Promise<void>; close(): Promise<void> } {
  process.env.WORKFLOW_LOCAL_DATA_DIR ??= localDir;
  const created: DirectQueue & World = createWorld();
  const world: World = observed(inTurn(created), watchers);
  const engine = withOwnWorkflows(appEngine, created);
  const { registerHandler } = created;
  if (registerHandler) {
    registerHandler(queuePrefixes.flow, (req) => engine.flow({ req }));
    registerHandler(queuePrefixes.step, (req) => engine.step({ req }));
    // Its own start() fails in a bundle, where it cannot read its version; all it does for us is this.
    return { world, start: () => requeue(world), close: async () => created.close?.() };
  }
  let delivery: Awaited<ReturnType<typeof openDelivery>> | undefined;
  return {
    world,
    async start() {
      delivery = await openDelivery(engine);
      process.env.WORKFLOW_LOCAL_BASE_URL = delivery.url;
      await keepSignals(() => created.start?.());
    },
    async close() {
      // It waits for its deliveries, and some of them may take as long as a server does.
      const closed = created.close?.();
      delivery?.handBack();
      await closed;
      await delivery?.close();
    },
  };
}

/**
 * The same World, which stores the events of a run one after another.
 *
 * The engine's local World numbers an event when it begins to store it. Stored side by side, an event
 * could show up behind one that a replay has already seen in its place: the replays then disagree, and
 * a step gets the arguments, or the result, of another.
 */
function inTurn(world: World): World {
  const turns = createTurns();
  return aroundCreate(world, ({ runId }, create) => (runId ? turns.take(runId, create) : create()));
}

/** The same World, which tells of starts and ends of runs. */
export function observed(world: World, { ends, news, observer }: Watchers): World {
  return aroundCreate(world, async ({ runId, eventType, eventData }, create) => {
    const result = await create();
    if (eventType === "run_created") observer.started(String(eventData?.["workflowName"]));
    if (!runId) return result;
    if (/^run_(?:completed|failed|cancelled)$/.test(eventType)) {
      ends.notify(runId);
      observer.ended(runId);
    }
    if (eventType.startsWith("run_")) news.notify(runId);
    return result;
  });
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
          `${queuePrefixes.flow}${workflowName}` as Parameters<World["queue"]>[0],
          { runId },
          { deploymentId, ...(specVersion !== undefined && { specVersion }) },
        );
      }
      cursor = page.hasMore ? (page.cursor ?? undefined) : undefined;
    } while (cursor);
  }
}
