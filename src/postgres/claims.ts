import { WorkflowRunNotFoundError } from "workflow/internal/errors";
import {
  type Claim,
  type ClaimStart,
  createClaimStart,
  type StandingClaim,
} from "../core/claim-start.ts";
import type { Database } from "./database.ts";
import type { World } from "./events.ts";

/** Keys that belong to at most one run, whichever process starts it. */
export interface Claims {
  claimStart: ClaimStart<World>;
  /** The run that a key belongs to, for as long as the run is kept. */
  claimed(key: string): Promise<string | undefined>;
  /** Forgets the keys of runs that are not kept any more. */
  prune(): Promise<void>;
}

/** Executes a statement in the transaction that creates a run. */
type QueryInCreation = (text: string, values: readonly unknown[]) => Promise<{ rows: unknown[] }>;

/** The keys of the table `orchestrator.claims`, with which no run is stored but in one transaction. */
export function createClaims(database: Database, world: () => World): Claims {
  async function standing(claims: readonly Claim[]): Promise<StandingClaim[]> {
    return database.query<StandingClaim>(
      `SELECT key, fingerprint, run_id AS "runId" FROM orchestrator.claims c
      WHERE key = ANY($1) AND ${kept}`,
      [claims.map(({ key }) => key)],
      { repeatable: true },
    );
  }

  return {
    claimStart: createClaimStart({
      world,
      standing,
      missing: (runId) => new WorkflowRunNotFoundError(runId),
    }),
    async claimed(key) {
      return (await standing([{ key, fingerprint: "" }]))[0]?.runId;
    },
    async prune() {
      await database.query(`DELETE FROM orchestrator.claims c WHERE NOT ${kept}`, [], {
        repeatable: true,
      });
    },
  };
}

/**
 * Claims the keys that an event's parameters name for its run, in the transaction that creates the run: both are
 * stored or neither is.
 *
 * @throws Error where one of them is another run's
 */
export async function takeClaims(
  query: QueryInCreation,
  { claims }: { claims?: readonly Claim[] } = {},
  idOfRun: () => Promise<string>,
): Promise<void> {
  if (!claims) return;
  const runId = await idOfRun();
  // In one order, so that no two transactions wait for each other.
  for (const { key, fingerprint } of claims.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    // Waits for the end of another transaction that has taken it.
    const taken = await query(
      `INSERT INTO orchestrator.claims (key, fingerprint, run_id) VALUES ($1, $2, $3)
      ON CONFLICT (key) DO NOTHING RETURNING key`,
      [key, fingerprint, runId],
    );
    if (taken.rows.length > 0) continue;
    // Another statement, which sees the run that was stored with the key. The run is compared again, as the
    // statement may have waited for another one that inherits the key as well.
    const inherited = await query(
      `UPDATE orchestrator.claims claim SET fingerprint = $2, run_id = $3
      FROM (SELECT key, run_id FROM orchestrator.claims c WHERE key = $1 AND NOT ${kept}) left_over
      WHERE claim.key = left_over.key AND claim.run_id = left_over.run_id
      RETURNING claim.key`,
      [key, fingerprint, runId],
    );
    if (inherited.rows.length === 0) throw new Error(`the key ${key} belongs to another run`);
  }
}

/** Whether a claim's run is there; it is stored with the claim, but may have been removed since. */
const kept = "EXISTS (SELECT FROM workflow.workflow_runs WHERE id = c.run_id)";
