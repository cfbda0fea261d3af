import { createHash } from "node:crypto";
import type { ConductorDatabase } from "../conductor/database.ts";
import { enqueue, cancelExecution } from "../conductor/executions.ts";
import { ORDER, queueOfRegion } from "../conductor/orders.ts";
import { TABLES } from "../conductor/schema.ts";
import { OrchestratorError } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import type { ExecuteRequest } from "../types/executor.ts";
import type { ExecutionStatus } from "../types/conductor.ts";
import { parseRow, takeRow } from "./order-rows.ts";
import type { LeftReason, PendingOrder } from "./pending-orders.ts";
import { orderTimedOut, workerLost } from "./work-order.ts";

/** One order that attempts wait for, and what is known of it on Postgres. */
export interface PostgresOrder extends PendingOrder {
  region: string;
  /** The order as JSON. */
  text: string;
  /** The last row that is read. */
  read: string;
  /** Whether it is queued, as far as is known. */
  added: boolean;
  /** Whether it is just being queued, and why it is to be taken back once it is. */
  adding: boolean;
  left?: LeftReason;
  /** Whether no worker has it, as far as is known. */
  idle: boolean;
  /** Epoch milliseconds of the last look at it. */
  lookedAt: number;
  /** Since when there is no worker for it. */
  absentSince?: number;
  /** The look under way, and whether there is to be another. */
  looking?: Promise<void>;
  again: boolean;
}

/** Orders on Postgres. None of these rejects. */
export interface PostgresOrders {
  /** Hands an order in, or finds it as it was handed in before; tries for as long as anyone waits for it. */
  add(order: PostgresOrder): Promise<void>;
  /** Reads what is new of an order. */
  look(order: PostgresOrder): Promise<void>;
  /** Takes back an order that nobody waits for, once Postgres is there; a worker that has begun it stops. */
  takeBack(order: PostgresOrder, reason: LeftReason): Promise<void>;
  /** How many could not be taken back, since Postgres was away. */
  readonly behind: number;
  /** Takes those back. */
  catchUp(): Promise<void>;
}

interface Parts {
  database: ConductorDatabase;
  /** Makes the tables that are missing. */
  ready: () => Promise<void>;
  /** Ends all attempts to reach Postgres. */
  closing: AbortSignal;
}

/** Between two attempts to reach Postgres. */
const RETRY_MS = 200;

/** The id of an attempt's order: the same, whoever hands it in. */
export function orderIdOf({
  idempotencyKey,
  attempt,
}: Pick<ExecuteRequest, "attempt" | "idempotencyKey">): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([idempotencyKey, attempt]))
    .digest("hex");
  return hash.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Orders as executions of a task, beside which workers put what they say. */
export function createPostgresOrders({ database, ready, closing }: Parts): PostgresOrders {
  /** Orders to take back once Postgres is back: there are attempts of their jobs that came after. */
  const abandoned = new Map<PostgresOrder, LeftReason>();

  async function add(order: PostgresOrder): Promise<void> {
    while (!order.settled && !order.added && !closing.aborted) {
      try {
        await addOnce(order);
      } catch {
        await idleSleep(RETRY_MS, closing);
      }
    }
    await look(order);
  }

  async function addOnce(order: PostgresOrder): Promise<void> {
    order.adding = true;
    try {
      await enqueueOrder(order);
      order.added = true;
    } finally {
      order.adding = false;
      if (order.left) await takeBack(order, order.left);
    }
  }

  async function enqueueOrder(order: PostgresOrder): Promise<void> {
    await ready();
    await enqueue(database, {
      id: order.id,
      queue: queueOfRegion(order.region),
      task: ORDER,
      event: "invoke",
      payload: order.text,
      priority: 0,
      maxAttempts: 1,
      // Who waits for it hands it in again, as the next attempt.
      maxLosses: 1,
    });
  }

  /** Who asks while a look is under way gets another one after it. */
  function look(order: PostgresOrder): Promise<void> {
    order.again = true;
    order.looking ??= lookAgain(order).finally(() => delete order.looking);
    return order.looking;
  }

  async function lookAgain(order: PostgresOrder): Promise<void> {
    try {
      while (order.again && !order.settled && order.added) {
        order.again = false;
        order.lookedAt = Date.now();
        await lookOnce(order);
      }
    } catch {
      // The next look will tell, or that there has been none for too long.
      order.lookedAt = 0;
    }
  }

  async function lookOnce(order: PostgresOrder): Promise<void> {
    // First how it stands: of one that has ended, all rows are there.
    const [state] = await database.query<{ status: ExecutionStatus; error: string | null }>(
      `select status, error from ${TABLES}.executions where id = $1`,
      [order.id],
    );
    const rows = await database.query<{ n: string; row: string }>(
      `select n, row::text as row from ${TABLES}.notes where execution = $1 and n > $2 order by n`,
      [order.id, order.read],
    );
    for (const { n, row } of rows) {
      order.read = n;
      if (!order.settled) takeRow(order, parseRow(row));
    }
    if (order.settled) return;
    order.idle = state?.status === "queued";
    if (!state) await missing(order);
    else settle(order, state);
  }

  /** Somebody else has given up an order that no worker had begun; we have not. */
  async function missing(order: PostgresOrder): Promise<void> {
    const { worker } = order;
    if (worker !== undefined) return order.fail(() => workerLost(worker, "its order is gone"));
    order.added = false;
    await addOnce(order);
  }

  async function takeBack(order: PostgresOrder, reason: LeftReason): Promise<void> {
    if (order.adding) {
      order.left = reason;
      return;
    }
    // Also where it is not known to be there: the answer that said so may be lost.
    try {
      // One that nobody has begun may be handed in again.
      if (reason === "unmanned") {
        const removed = await database.query(
          `delete from ${TABLES}.executions where id = $1 and status = 'queued' returning 1`,
          [order.id],
        );
        if (removed.length > 0) return;
      }
      await cancelExecution(database, order.id, reason === "timeout" ? "timeout" : "cancelled");
    } catch {
      if (!closing.aborted) abandoned.set(order, reason);
    }
  }

  return {
    add,
    look,
    takeBack,
    get behind() {
      return abandoned.size;
    },
    async catchUp() {
      const orders = [...abandoned];
      abandoned.clear();
      for (const [order, reason] of orders) await takeBack(order, reason);
    },
  };
}

/** Tells those who wait for an order that has ended without an answer. */
function settle(
  order: PostgresOrder,
  { status, error }: { status: ExecutionStatus; error: string | null },
): void {
  const { worker = "unknown" } = order;
  if (status === "queued" || status === "running") return;
  if (status !== "canceled") {
    return order.fail(() => workerLost(worker, error ?? "it ended without an answer"));
  }
  if (error === "timeout") return order.fail(({ timeout }) => orderTimedOut(worker, timeout));
  order.fail(() => new OrchestratorError("EXECUTION_FAILED", "The order was cancelled"));
}
