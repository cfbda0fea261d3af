import { createHash } from "node:crypto";
import { start } from "workflow/api";
import { getWorld } from "workflow/runtime";
import type { StartOutcome, StartRequest } from "../types/engine.ts";
import type { EmbeddedWorld } from "../world/index.ts";
import type { Claims } from "./claims.ts";
import { createTurns } from "./turns.ts";
import { aroundCreate, type World } from "./engine-world.ts";

/** Starts runs that are stored before the start is acknowledged. */
export interface Starts {
  /** Starts a run. */
  stored(request: StartRequest): Promise<string>;
  /** Starts a run unless the key has started one. */
  once(request: StartRequest, idempotency: Idempotency): Promise<StartOutcome>;
}

type Idempotency = NonNullable<StartRequest["idempotency"]>;

/** Starts on the embedded World, whose claims are stored with the run they belong to. */
export function embeddedStarts(world: EmbeddedWorld): Starts {
  return {
    stored: (request) => startStored(request),
    async once(request, { key, fingerprint }) {
      const claims = [{ key: `key:${key}`, fingerprint: digest(fingerprint) }];
      return world.claimStart(claims, (claiming) => startStored(request, { world: claiming }));
    },
  };
}

/** Starts on any other World, whose claims are files beside it. */
export function claimStarts(claims: Claims): Starts {
  // A claim is written before its run, so starts under one key must follow one another.
  const starting = createTurns();
  return {
    stored: (request) => startStored(request),
    once: (request, { key, fingerprint }) =>
      starting.take(key, () =>
        claimAndStart(request, { key, fingerprint: digest(fingerprint) }, claims),
      ),
  };
}

async function claimAndStart(
  request: StartRequest,
  { key, fingerprint }: Idempotency,
  claims: Claims,
): Promise<StartOutcome> {
  const standing = await claims.read(key);
  if (standing) {
    if (standing.fingerprint !== fingerprint) return { kind: "conflict" };
    if (await isStored(standing.runId)) return { kind: "repeated", runId: standing.runId };
  }
  let lost: { fingerprint: string; runId: string } | undefined;
  try {
    const runId = await startStored(request, {
      async before(id) {
        const claim = { runId: id, fingerprint };
        if (standing) return claims.replace(key, claim);
        const stored = await claims.claim(key, claim);
        if (stored.runId === id) return;
        lost = stored;
        throw new Error("another process claimed the key");
      },
    });
    return { kind: "started", runId };
  } catch (error) {
    if (!lost) throw error;
    return lost.fingerprint === fingerprint
      ? { kind: "repeated", runId: lost.runId }
      : { kind: "conflict" };
  }
}

/** Keeps a claim small, whatever the size of the request. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Starts a run on a World; its creation is stored before it is queued, and after `before` has seen its id. */
async function startStored(
  request: StartRequest,
  options: { world?: World; before?: (runId: string) => Promise<void> } = {},
): Promise<string> {
  const { world = getWorld(), before } = options;
  let runId: string | null = null;
  let stored: Promise<unknown> = Promise.resolve();
  const storing = aroundCreate(world, (event, create) => {
    runId = event.runId;
    const creation = (async () => {
      if (runId) await before?.(runId);
      return create();
    })();
    stored = creation;
    return creation;
  });
  const queue: World["queue"] = async (...args) => {
    await stored;
    return world.queue(...args);
  };
  try {
    const run = await start({ workflowId: request.workflowId }, request.args, {
      world: { ...storing, queue },
    });
    return run.runId;
  } catch (error) {
    const created = await stored.then(
      () => true,
      () => false,
    );
    // Stored but not queued, it would start at the next start of the process, unasked.
    if (runId && created) {
      await world.events.create(runId, { eventType: "run_cancelled" }).catch(() => undefined);
    }
    throw error;
  }
}

async function isStored(runId: string): Promise<boolean> {
  return getWorld()
    .runs.get(runId, { resolveData: "none" })
    .then(
      () => true,
      (error: unknown) => {
        if (error instanceof Error && error.name === "WorkflowRunNotFoundError") return false;
        throw error;
      },
    );
}
