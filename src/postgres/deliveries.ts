import { AsyncLocalStorage } from "node:async_hooks";
import { decodeMessage, type MessageHandler } from "../core/queue-requests.ts";
import type { Claim } from "./messages.ts";
import { isOfDatabase } from "./transactions.ts";

/** A delivery under way in this process. */
export interface Delivery {
  claim: Claim;
  /** The payload of a wake-up that has come meanwhile. */
  again?: string;
  /** How often Postgres had been lost when it began. */
  readonly losses: number;
  /** True once it has been dealt with, and the table is being told. */
  settling: boolean;
  /** Aborts when another process has it, or it is none any more. */
  readonly lost: AbortController;
}

/** What became of a delivery: done, or to be made again. */
export type Outcome =
  | { done: true }
  | { done: false; failed: boolean; attempt: number; delayMs: number };

/**
 * Postponing a message is a delivery too, but a workflow may sleep as often as it likes: postponing alone
 * does not come near the 48 deliveries at which the engine gives up.
 */
const MAX_POSTPONED_ATTEMPT = 24;

/** Until a delivery that Postgres could not serve is made again. */
const AWAY_MS = 1000;

const current = new AsyncLocalStorage<Delivery>();

/** The delivery that the caller is a part of. */
export function currentDelivery(): Delivery | undefined {
  return current.getStore();
}

/** Calls a handler and reads from its answer, or from its failure, what is to be done. */
export function attemptDelivery(
  delivery: Delivery,
  handler: MessageHandler,
  retryDelay: (attempt: number) => number,
): Promise<Outcome> {
  const { attempt, queueName, messageId, payload } = delivery.claim;
  return current.run(delivery, async (): Promise<Outcome> => {
    try {
      const answer = await handler(decodeMessage(payload), { attempt, queueName, messageId });
      const seconds = answer?.timeoutSeconds;
      if (typeof seconds !== "number" || !(seconds >= 0)) return { done: true };
      const next = Math.min(attempt + 1, Math.max(attempt, MAX_POSTPONED_ATTEMPT));
      return { done: false, failed: false, attempt: next, delayMs: seconds * 1000 };
    } catch (error) {
      if (isOfDatabase(error)) return { done: false, failed: true, attempt, delayMs: AWAY_MS };
      if (!delivery.lost.signal.aborted) {
        console.error(
          `[orchestrator] delivery ${attempt} of ${messageId} to ${queueName} failed`,
          error,
        );
      }
      return { done: false, failed: true, attempt: attempt + 1, delayMs: retryDelay(attempt) };
    }
  });
}
