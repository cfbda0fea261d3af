import { WorkflowRunNotFoundError } from "workflow/internal/errors";
import type { CreateEvent, EventRequest } from "./events.ts";
import { keys } from "./keys.ts";
import type { Records } from "./records.ts";
import type { Store } from "./store.ts";
import type { Claim, ClaimedStart, EmbeddedWorld, World } from "./types.ts";

/** A claim as it is stored. */
interface StoredClaim {
  runId: string;
  fingerprint: string;
}

/** What starting under claims needs. */
export interface ClaimsOptions {
  store: Store;
  records: Records;
  create: CreateEvent;
  /** The World that a claiming one stands for. */
  world: () => World;
}

/** Starts at most one run under a key; `EmbeddedWorld` says how it is used. */
export function createClaims({
  store,
  records,
  create,
  world,
}: ClaimsOptions): Pick<EmbeddedWorld, "claimed" | "claimStart"> {
  /** The start under way for a key; the next one waits for it. */
  const turns = new Map<string, Promise<unknown>>();

  /** The run that a key belongs to, for as long as the run is kept. */
  function claimed(key: string): StoredClaim | undefined {
    const claim = store.get<StoredClaim>(keys.claim(key));
    return claim && records.run(claim.runId) ? claim : undefined;
  }

  /** What the first claim that is taken says. */
  function standing(claims: readonly Claim[]): ClaimedStart | undefined {
    for (const { key, fingerprint } of claims) {
      const claim = claimed(key);
      if (!claim) continue;
      const { runId } = claim;
      return claim.fingerprint === fingerprint
        ? { kind: "repeated", runId }
        : { kind: "conflict", runId, key };
    }
    return undefined;
  }

  /** The World with which a run is started: it claims in the run's first event, and queues nothing before. */
  function claiming(claims: readonly Claim[]): { world: World; created: () => boolean } {
    const inner = world();
    let created: Promise<unknown> | undefined;
    const claimingCreate = (
      runId: string | null,
      request: EventRequest,
      params?: object,
    ): ReturnType<CreateEvent> => {
      if (request.eventType !== "run_created") return create(runId, request, params);
      const creation = create(runId, request, { ...params, claims });
      created = creation;
      return creation;
    };
    return {
      created: () => created !== undefined,
      world: {
        ...inner,
        events: {
          ...inner.events,
          create: claimingCreate as unknown as World["events"]["create"],
        },
        async queue(...args) {
          // The engine queues at the same time as it creates; a run that could not be claimed must not be woken.
          await created;
          return inner.queue(...args);
        },
      },
    };
  }

  async function claimStart(
    claims: readonly Claim[],
    start: (claiming: World) => Promise<string>,
  ): Promise<ClaimedStart> {
    const release = await takeTurns(
      turns,
      claims.map(({ key }) => key),
    );
    try {
      const taken = standing(claims);
      if (taken) return taken;
      const attempt = claiming(claims);
      const runId = await start(attempt.world);
      if (!attempt.created()) throw new WorkflowRunNotFoundError(runId);
      return { kind: "started", runId };
    } finally {
      release();
    }
  }

  return { claimStart, claimed: (key) => claimed(key)?.runId };
}

/** Waits until no other start holds one of the keys, and holds them; in one order, so that no two wait for each other. */
async function takeTurns(
  turns: Map<string, Promise<unknown>>,
  wanted: readonly string[],
): Promise<() => void> {
  const releases: (() => void)[] = [];
  for (const key of [...new Set(wanted)].sort()) {
    const before = turns.get(key);
    let release!: () => void;
    const turn = new Promise<void>((resolve) => (release = resolve));
    turns.set(key, turn);
    releases.push(() => {
      if (turns.get(key) === turn) turns.delete(key);
      release();
    });
    await before;
  }
  return () => {
    for (const release of releases) release();
  };
}
