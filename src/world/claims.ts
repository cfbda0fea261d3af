import { WorkflowRunNotFoundError } from "workflow/internal/errors";
import { createClaimStart } from "../core/claim-start.ts";
import { keys } from "./keys.ts";
import type { Records } from "./records.ts";
import type { Store } from "./store.ts";
import type { EmbeddedWorld, World } from "./types.ts";

/** A claim as it is stored. */
interface StoredClaim {
  runId: string;
  fingerprint: string;
}

/** What starting under claims needs. */
export interface ClaimsOptions {
  store: Store;
  records: Records;
  /** The World that a claiming one stands for, with `CreateEvent` for what stores events. */
  world: () => World;
}

/** Starts at most one run under a key; `EmbeddedWorld` says how it is used. */
export function createClaims({
  store,
  records,
  world,
}: ClaimsOptions): Pick<EmbeddedWorld, "claimed" | "claimStart"> {
  /** The run that a key belongs to, for as long as the run is kept. */
  function claimed(key: string): StoredClaim | undefined {
    const claim = store.get<StoredClaim>(keys.claim(key));
    return claim && records.run(claim.runId) ? claim : undefined;
  }

  return {
    claimStart: createClaimStart({
      world,
      standing: async (claims) =>
        claims.flatMap(({ key }) => {
          const claim = claimed(key);
          return claim ? [{ key, ...claim }] : [];
        }),
      missing: (runId) => new WorkflowRunNotFoundError(runId),
    }),
    claimed: (key) => claimed(key)?.runId,
  };
}
