import type { RunnerEvent } from "../types/runner.ts";
import type { WorkAnswer } from "../types/work.ts";
import type { PendingOrder } from "./pending-orders.ts";
import { answerTooLarge, orderTimedOut } from "./work-order.ts";

/** What a worker says of an order, in turn. */
export type OrderRow =
  | { row: "answer"; answer: WorkAnswer }
  | { row: "begin"; worker: string }
  | { row: "events"; events: RunnerEvent[] }
  | { row: "timeout"; worker: string }
  | { row: "too-large"; worker: string; limit: number };

/** Tells those who wait for an order what its worker says. */
export function takeRow(order: PendingOrder, row: OrderRow): void {
  switch (row.row) {
    case "begin":
      return order.begin(row.worker);
    case "events":
      return row.events.forEach(order.tell);
    case "answer":
      return order.answer(row.answer);
    case "too-large":
      return order.fail(() => answerTooLarge(row.worker));
    default:
      return order.fail(({ timeout }) => orderTimedOut(row.worker, timeout));
  }
}
