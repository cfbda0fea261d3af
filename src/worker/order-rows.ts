import type { OrderRow } from "../executors/order-rows.ts";
import { orderLimits } from "../executors/work-order.ts";
import type { RunnerEvent } from "../types/runner.ts";
import type { OrderOutcome } from "./source.ts";

/** What an outcome is told by; nothing where nobody waits. */
export function rowOf(outcome: OrderOutcome, worker: string): OrderRow | undefined {
  if (outcome.kind === "returned") return { row: "returned", worker };
  if (outcome.kind === "timed-out") return { row: "timeout", worker };
  if (outcome.kind !== "answered") return undefined;
  const { answer } = outcome;
  const bytes = Buffer.byteLength(JSON.stringify(answer.body) ?? "");
  const limit = orderLimits.answer;
  return bytes > limit ? { row: "too-large", worker, limit } : { row: "answer", answer };
}

/** Rows that are written one after another; events that come meanwhile go together. */
export function createRows(write: (row: OrderRow) => Promise<void>): {
  add(row: OrderRow): void;
  event(event: RunnerEvent): void;
  /** Resolves when all are written, and rejects if one could not be. */
  written(): Promise<void>;
} {
  let events: RunnerEvent[] = [];
  let last = Promise.resolve();
  const add = (row: () => OrderRow): void => {
    last = last.then(() => write(row()));
    last.catch(() => {});
  };
  return {
    add: (row) => add(() => row),
    event(event) {
      events.push(event);
      if (events.length > 1) return;
      add(() => {
        const batch = events;
        events = [];
        return { row: "events", events: batch };
      });
    },
    written: () => last,
  };
}
