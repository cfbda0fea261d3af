import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { OrchestratorError } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import type { WorkOrder } from "../types/work.ts";
import { parseRow, takeRow } from "./order-rows.ts";
import type { LeftReason, PendingOrder } from "./pending-orders.ts";
import {
  keptOrders,
  type OrderVerdict,
  type RedisNames,
  type RedisPackages,
} from "./redis-queue.ts";
import { orderTimedOut, workerLost } from "./work-order.ts";

/** One order that attempts wait for, and what is known of it on Redis. */
export interface RedisOrder extends PendingOrder {
  region: string;
  /** The order as JSON. */
  text: string;
  /** Rows that are read. */
  read: number;
  /** Whether it is in the queue, as far as is known. */
  added: boolean;
  /** Epoch milliseconds of the last look at it. */
  lookedAt: number;
  /** Who has given it back last. */
  givenBackBy?: string;
  /** Since when its worker is missed, or any worker. */
  absentSince?: number;
  /** The look under way, and whether there is to be another. */
  looking?: Promise<void>;
  again: boolean;
}

/** What orders are handed in with. */
export interface RedisOrdersParts {
  packages: RedisPackages;
  client: Redis;
  names: RedisNames;
  /** Ends all attempts to reach Redis. */
  closing: AbortSignal;
}

/** Orders on Redis. None of these rejects, but `lose`. */
export interface RedisOrders {
  /** Hands an order in, or finds it as it was handed in before; tries for as long as anyone waits for it. */
  add(order: RedisOrder): Promise<void>;
  /** Reads what is new of an order. */
  look(order: RedisOrder): Promise<void>;
  /** Gives up an order whose worker has died, for all who wait for it now or later. */
  lose(order: RedisOrder, reason: string): Promise<void>;
  /** Takes back an order that nobody waits for, once Redis is there; a worker that has begun it stops. */
  takeBack(order: RedisOrder, reason: LeftReason): Promise<void>;
  /** Whether an order is in its region's queue, or was. */
  knows(id: string, region: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Orders as jobs of BullMQ, whose log has what their workers say. */
export function createRedisOrders({
  packages,
  client,
  names,
  closing,
}: RedisOrdersParts): RedisOrders {
  const queues = new Map<string, Queue>();
  /** Orders to take back once Redis is back: there are attempts of their jobs that came after. */
  const abandoned = new Map<RedisOrder, LeftReason>();

  client.on("ready", () => {
    const orders = [...abandoned];
    abandoned.clear();
    for (const [order, reason] of orders) void takeBack(order, reason);
  });

  function queueOf(region: string): Queue {
    let queue = queues.get(region);
    if (!queue) {
      queue = new packages.bullmq.Queue(names.queue(region), {
        connection: client,
        prefix: names.prefix,
        skipVersionCheck: true,
        skipWaitingForReady: true,
        streams: { events: { maxLen: 1000 } },
      });
      // The client tells of its connection, and each command of what became of it.
      queue.on("error", () => {});
      queues.set(region, queue);
    }
    return queue;
  }

  async function add(order: RedisOrder): Promise<void> {
    while (!order.settled && !order.added && !closing.aborted) {
      try {
        await addOnce(order);
      } catch {
        await idleSleep(200, closing);
      }
    }
    await look(order);
  }

  async function addOnce(order: RedisOrder): Promise<void> {
    const { id, region, text } = order;
    const said = await client.get(names.verdict(id));
    if (said !== null) return settle(order, JSON.parse(said) as OrderVerdict);
    const data = JSON.parse(text) as WorkOrder;
    await queueOf(region).add(`${data.idempotencyKey}#${data.attempt}`, data, {
      jobId: id,
      removeOnComplete: keptOrders,
      removeOnFail: keptOrders,
      attempts: 1,
    });
    order.added = true;
  }

  /** Who asks while a look is under way gets another one after it. */
  function look(order: RedisOrder): Promise<void> {
    order.again = true;
    order.looking ??= lookAgain(order).finally(() => delete order.looking);
    return order.looking;
  }

  async function lookAgain(order: RedisOrder): Promise<void> {
    try {
      while (order.again && !order.settled && order.added) {
        order.again = false;
        order.lookedAt = Date.now();
        await readRows(order);
      }
    } catch {
      // The next look will tell, or that there has been none for too long.
      order.lookedAt = 0;
    }
  }

  async function readRows(order: RedisOrder): Promise<void> {
    const { id, region } = order;
    const { logs } = await queueOf(region).getJobLogs(id, order.read, -1);
    order.read += logs.length;
    for (const text of logs) {
      if (order.settled) return;
      const row = parseRow(text);
      if (row.row === "returned") order.givenBackBy = row.worker;
      takeRow(order, row);
    }
    if (!order.settled && logs.length === 0) await readState(order);
  }

  /** What else is known of an order that has said nothing new. */
  async function readState(order: RedisOrder): Promise<void> {
    const { id, region } = order;
    const said = await client.get(names.verdict(id));
    if (said !== null) return settle(order, JSON.parse(said) as OrderVerdict);
    const job = await queueOf(region).getJob(id);
    if (!job) {
      if (order.worker !== undefined) return lose(order, "Redis has lost the order");
      // As after a restart of a Redis that keeps nothing: nobody has begun it, and nobody would.
      order.added = false;
      await addOnce(order);
      return;
    }
    if (job.finishedOn !== undefined) {
      const { count } = await queueOf(region).getJobLogs(id, 0, 0);
      if (count > order.read) order.again = true;
      else await lose(order, job.failedReason || "it ended without an answer");
      return;
    }
    // It may have died before it could say so.
    const { processedBy } = job;
    if (order.worker !== undefined || !processedBy || processedBy === order.givenBackBy) return;
    order.begin(processedBy);
  }

  /** Says what has become of an order to whoever asks for it, and to its worker. */
  async function decide({ id }: RedisOrder, verdict: OrderVerdict): Promise<void> {
    const { age } = keptOrders;
    await client.set(names.verdict(id), JSON.stringify(verdict), "EX", age, "NX");
    await client.publish(names.verdicts, id);
  }

  async function lose(order: RedisOrder, reason: string): Promise<void> {
    const verdict = { verdict: "lost", worker: order.worker ?? "unknown", reason } as const;
    await decide(order, verdict);
    settle(order, verdict);
  }

  async function takeBack(order: RedisOrder, reason: LeftReason): Promise<void> {
    const { id, region, worker } = order;
    try {
      const untouched = reason === "unmanned" && (await queueOf(region).remove(id)) === 1;
      // One that nobody has begun may be handed in again.
      if (untouched) return;
      const verdict = reason === "timeout" ? "timeout" : "cancelled";
      await decide(order, { verdict, ...(worker !== undefined && { worker }) });
      await queueOf(region).remove(id);
    } catch {
      // Where a worker has it, that is no error.
      if (client.status !== "ready") abandoned.set(order, reason);
    }
  }

  return {
    add,
    look,
    lose,
    takeBack,
    async knows(id, region) {
      // Not by a queue: each leaves something behind, and anybody may name a region.
      return (await client.exists(names.verdict(id), names.order(region, id))) > 0;
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close().catch(() => {})));
    },
  };
}

function settle(
  order: RedisOrder,
  { verdict, worker = "unknown", reason = "" }: OrderVerdict,
): void {
  if (verdict === "lost") return order.fail(() => workerLost(worker, reason));
  if (verdict === "timeout") return order.fail(({ timeout }) => orderTimedOut(worker, timeout));
  order.fail(() => new OrchestratorError("EXECUTION_FAILED", "The order was cancelled"));
}
