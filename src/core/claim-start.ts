/** A key that belongs to at most one run. */
export interface Claim {
  /** Any text, for example an `Idempotency-Key` or a caller's own run id, with a prefix that tells them apart. */
  key: string;
  /** Digest of the request; the same key with another fingerprint is a conflict. */
  fingerprint: string;
}

/** A claim as it stands. */
export interface StandingClaim extends Claim {
  runId: string;
}

/** What a start under claims came to. */
export type ClaimedStart =
  | { kind: "started"; runId: string }
  /** The key had started this run before, with the same fingerprint. */
  | { kind: "repeated"; runId: string }
  /** The key stands for a request with another fingerprint. */
  | { kind: "conflict"; runId: string; key: string };

/** A World whose `events.create` takes `claims` among its parameters, and stores them with the run or not at all. */
interface ClaimableWorld {
  events: { create: (...args: never[]) => Promise<unknown> };
  queue: (...args: never[]) => Promise<unknown>;
}

/** What starting under claims needs. */
export interface ClaimStartOptions<W> {
  /** The World that a claiming one stands for. */
  world: () => W;
  /** The claims that stand of these, in any order. */
  standing: (claims: readonly Claim[]) => Promise<StandingClaim[]>;
  /** The error for a start that created nothing. */
  missing: (runId: string) => Error;
}

/** Starts a run with a World that claims the keys as it creates the run; without it, where one of them is taken. */
export type ClaimStart<W> = (
  claims: readonly Claim[],
  start: (claiming: W) => Promise<string>,
) => Promise<ClaimedStart>;

/** Makes what starts at most one run under a key. */
export function createClaimStart<W extends ClaimableWorld>({
  world,
  standing,
  missing,
}: ClaimStartOptions<W>): ClaimStart<W> {
  /** The start under way for a key; the next one waits for it. */
  const turns = new Map<string, Promise<unknown>>();

  /** What the first claim that is taken says. */
  async function taken(claims: readonly Claim[]): Promise<ClaimedStart | undefined> {
    const stand = await standing(claims);
    for (const { key, fingerprint } of claims) {
      const claim = stand.find((one) => one.key === key);
      if (!claim) continue;
      const { runId } = claim;
      return claim.fingerprint === fingerprint
        ? { kind: "repeated", runId }
        : { kind: "conflict", runId, key };
    }
    return undefined;
  }

  return async (claims, start) => {
    const release = await takeTurns(
      turns,
      claims.map(({ key }) => key),
    );
    try {
      const before = await taken(claims);
      if (before) return before;
      const attempt = claiming(world(), claims);
      try {
        const runId = await start(attempt.world);
        if (!attempt.created()) throw missing(runId);
        return { kind: "started", runId };
      } catch (error) {
        // Another process may have been first.
        const meanwhile = (await attempt.refused()) && (await taken(claims));
        if (!meanwhile) throw error;
        return meanwhile;
      }
    } finally {
      release();
    }
  };
}

/** The World with which a run is started: it claims in the run's first event, and queues nothing before. */
function claiming<W extends ClaimableWorld>(
  inner: W,
  claims: readonly Claim[],
): { world: W; created: () => boolean; refused: () => Promise<boolean> } {
  let creation: Promise<unknown> | undefined;
  const create = (
    runId: string | null,
    request: { eventType: string },
    params?: object,
  ): Promise<unknown> => {
    const store = inner.events.create as unknown as (...args: unknown[]) => Promise<unknown>;
    if (request.eventType !== "run_created") return store(runId, request, params);
    creation = store(runId, request, { ...params, claims });
    return creation;
  };
  return {
    created: () => creation !== undefined,
    refused: () =>
      Promise.resolve(creation).then(
        () => false,
        () => true,
      ),
    world: {
      ...inner,
      events: { ...inner.events, create },
      queue: async (...args: never[]) => {
        // The engine queues at the same time as it creates; a run that could not be claimed must not be woken.
        await creation;
        return inner.queue(...args);
      },
    },
  };
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
