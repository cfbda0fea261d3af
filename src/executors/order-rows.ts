import { depthLimit, parseJson } from "../core/body.ts";
import { sanitizeEvent } from "../core/runner-events.ts";
import { isPlainObject } from "../core/runner-result.ts";
import type { RunnerEvent } from "../types/runner.ts";
import type { WorkAnswer } from "../types/work.ts";
import type { PendingOrder } from "./pending-orders.ts";
import { answerTooLarge, orderTimedOut } from "./work-order.ts";

/** What a worker says of an order, in turn. */
export type OrderRow =
  | { row: "answer"; answer: WorkAnswer | undefined }
  | { row: "begin"; worker: string }
  | { row: "events"; events: RunnerEvent[] }
  | { row: "returned"; worker: string }
  | { row: "timeout"; worker: string }
  | { row: "too-large"; worker: string; limit: number };

/** Tells those who wait for an order what its worker says. */
export function takeRow(order: PendingOrder, row: OrderRow): void {
  switch (row.row) {
    case "begin":
      return order.begin(row.worker);
    case "returned":
      return order.giveBack();
    case "events":
      return row.events.map(sanitizeEvent).forEach((event) => event && order.tell(event));
    case "answer":
      return order.answer(row.answer);
    case "too-large":
      return order.fail(() => answerTooLarge(row.worker));
    default:
      return order.fail(({ timeout }) => orderTimedOut(row.worker, timeout));
  }
}

/** A row; what is none stands for an answer that is none. */
export function parseRow(text: string): OrderRow {
  try {
    // Its own levels come on top of those of an answer.
    const row = parseJson(text, "drop", depthLimit + 3);
    if (isPlainObject(row) && typeof row.row === "string") return row as unknown as OrderRow;
  } catch {
    // Told below.
  }
  return { row: "answer", answer: undefined };
}
