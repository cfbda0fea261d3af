import { createHash } from "node:crypto";
import { start } from "workflow/api";
import { getWorld } from "workflow/runtime";
import type { Claim, ClaimStart } from "../core/claim-start.ts";
import type { RunAbout, StartOutcome, StartRequest } from "../types/engine.ts";
import type { Claims } from "./claims.ts";
import { createTurns } from "../core/turns.ts";
import { aroundCreate, readStored, type World } from "./engine-world.ts";

/** Starts runs that are stored before the start is acknowledged. */
export interface Starts {
  /** Starts a run, unless one of its keys has started one. */
  start(request: StartRequest): Promise<StartOutcome>;
  /** The engine's id of the run that a caller gave this id. */
  find(ownId: string): Promise<string | undefined>;
}

/** What a request would have for itself alone. */
function keysOf({ idempotency, ownId, once }: StartRequest): Claim[] {
  const keys: Claim[] = [];
  if (idempotency) {
    keys.push({ key: `key:${idempotency.key}`, fingerprint: digest(idempotency.fingerprint) });
  }
  if (ownId) keys.push({ key: ownKey(ownId.id), fingerprint: digest(ownId.fingerprint) });
  if (once !== undefined) keys.push({ key: `once:${once}`, fingerprint: "" });
  return keys;
}

function ownKey(id: string): string {
  return `run:${id}`;
}

function conflict(key: string): StartOutcome {
  return { kind: "conflict", field: key.startsWith("run:") ? "runId" : "Idempotency-Key" };
}

/** A World that stores claims with the run they belong to. */
export interface ClaimingWorld {
  claimStart: ClaimStart<World>;
  claimed(key: string): string | undefined | Promise<string | undefined>;
}

/** Starts on the embedded World and on Postgres, whose claims are stored with the run they belong to. */
export function claimingStarts(world: ClaimingWorld): Starts {
  return {
    async start(request) {
      const keys = keysOf(request);
      if (keys.length === 0) return { kind: "started", runId: await startStored(request) };
      const outcome = await world.claimStart(keys, (claiming) =>
        startStored(request, { world: claiming }),
      );
      return outcome.kind === "conflict" ? conflict(outcome.key) : outcome;
    },
    find: async (ownId) => world.claimed(ownKey(ownId)),
  };
}

/** Starts on any other World, whose claims are files beside it. */
export function claimStarts(claims: Claims): Starts {
  // A claim is written before its run, so starts under one key must follow one another.
  const starting = createTurns();
  return {
    async start(request) {
      const keys = keysOf(request);
      let begin = (): Promise<StartOutcome> => claimAndStart(request, keys, claims);
      for (const { key } of keys.toSorted((a, b) => (a.key < b.key ? 1 : -1))) {
        const inner = begin;
        begin = () => starting.take(key, inner);
      }
      return begin();
    },
    async find(ownId) {
      const claim = await claims.read(ownKey(ownId));
      return claim && (await isStored(claim.runId)) ? claim.runId : undefined;
    },
  };
}

async function claimAndStart(
  request: StartRequest,
  keys: readonly Claim[],
  claims: Claims,
): Promise<StartOutcome> {
  const standing = new Set<string>();
  for (const { key, fingerprint } of keys) {
    const claim = await claims.read(key);
    if (!claim) continue;
    if (claim.fingerprint !== fingerprint) return conflict(key);
    if (await isStored(claim.runId)) return { kind: "repeated", runId: claim.runId };
    standing.add(key);
  }
  let lost: StartOutcome | undefined;
  try {
    const runId = await startStored(request, {
      async before(id) {
        for (const { key, fingerprint } of keys) {
          const claim = { runId: id, fingerprint };
          if (standing.has(key)) await claims.replace(key, claim);
          else {
            const stored = await claims.claim(key, claim);
            if (stored.runId === id) continue;
            lost =
              stored.fingerprint === fingerprint
                ? { kind: "repeated", runId: stored.runId }
                : conflict(key);
            throw new Error("another process claimed the key");
          }
        }
      },
    });
    return { kind: "started", runId };
  } catch (error) {
    if (!lost) throw error;
    return lost;
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
      return create(request.about && withAbout(event.eventData, request.about));
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

/** A run's creation with what its caller says about it, in the one field that every World keeps and lists. */
function withAbout(
  eventData: Record<string, unknown> | undefined,
  about: RunAbout,
): Record<string, unknown> {
  const context = eventData?.["executionContext"] as Record<string, unknown> | undefined;
  return { ...eventData, executionContext: { ...context, orchestrator: about } };
}

/** What the caller said about a run when it was started. */
export function aboutOf(run: { executionContext?: Record<string, unknown> }): RunAbout {
  return (run.executionContext?.["orchestrator"] as RunAbout | undefined) ?? {};
}

async function isStored(runId: string): Promise<boolean> {
  return (await readStored(getWorld(), runId, { resolveData: "none" })) !== undefined;
}
