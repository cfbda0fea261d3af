import { idleSleep } from "../core/sleep.ts";
import { createBatches } from "./batches.ts";
import type { Delivery, Outcome } from "./deliveries.ts";
import type { Claim, Messages, Postponed } from "./messages.ts";
import { isOfDatabase } from "./transactions.ts";

/** A delivery that has ended, and how. */
export interface Settlement {
  delivery: Delivery;
  outcome: Outcome;
}

/** What telling the table needs. */
export interface SettlementsOptions {
  messages: Pick<Messages, "done" | "postpone">;
  /** Gives up. */
  signal: AbortSignal;
  /** Told when it has been done, of what has to be delivered anew, and is still held. */
  onSettled: (items: readonly Settlement[], again: readonly Claim[]) => void;
}

/** Tells the table how deliveries have ended, many at once and for as long as it takes. */
export function createSettlements({
  messages,
  signal,
  onSettled,
}: SettlementsOptions): (item: Settlement) => Promise<void> {
  return createBatches(async (items: readonly Settlement[]) => {
    const done: Claim[] = [];
    const postponed: Postponed[] = [];
    for (const { delivery, outcome } of items) {
      if (delivery.lost.signal.aborted) continue;
      if (outcome.done) done.push(delivery.claim);
      else postponed.push({ ...delivery.claim, ...outcome });
    }
    while (!signal.aborted) {
      try {
        const again = done.length > 0 ? await messages.done(done) : [];
        if (postponed.length > 0) await messages.postpone(postponed);
        return onSettled(items, again);
      } catch (error) {
        if (!signal.aborted) report(error);
        await idleSleep(1000, signal);
      }
    }
  });
}

/** Says what failed; that Postgres is away has been told by the connection that listens. */
export function report(error: unknown): void {
  if (!isOfDatabase(error)) console.error("[orchestrator] the queue on Postgres failed:", error);
}
