import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { OrchestratorError, reasonOf } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import type { ExecuteRequest, Executor } from "../types/executor.ts";
import type { WorkOrder } from "../types/work.ts";
import {
  connected,
  keptOrders,
  livingScript,
  loadPackages,
  namesBelow,
  openClient,
  orderId,
  type OrderRow,
  type OrderVerdict,
  type RedisPackages,
  type RedisPlace,
  resolvePlace,
} from "./redis-queue.ts";
import {
  createPending,
  type LeftReason,
  type Pending,
  type PendingOrder,
} from "./pending-orders.ts";
import { answerTooLarge, orderOf, orderText, orderTimedOut, workerLost } from "./work-order.ts";

/** How orders are handed to workers on Redis. */
export interface RedisExecutorOptions extends RedisPlace {
  /**
   * Milliseconds that Redis may be away until attempts are rejected with `SERVER_UNREACHABLE`.
   * @default 30000
   */
  patience?: number;
  /** What errors call these options. */
  path?: string;
}

/** Milliseconds between two looks at the workers of attempts under way. */
const TICK_MS = 1000;
/** Milliseconds for which a worker may be absent: it may have lost its connection for a moment. */
const ABSENT_MS = 4000;
/** Milliseconds without news after which an order is looked at all the same, and how many at once. */
const QUIET_MS = 5000;
const LOOKS = 100;

/** One order that attempts wait for, and what is known of it. */
interface RedisOrder extends PendingOrder {
  region: string;
  text: string;
  /** Rows that are read. */
  read: number;
  /** Whether it is in the queue, as far as is known. */
  added: boolean;
  lookedAt: number;
  absentSince?: number;
  /** The look under way, and whether there is to be another. */
  looking?: Promise<void>;
  again: boolean;
}

/**
 * Hands orders to workers by BullMQ, one queue a region. An order that was handed in before is joined, also
 * by another process.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, also where `bullmq` or `ioredis` is not installed
 */
export async function createRedisExecutor(options: RedisExecutorOptions = {}): Promise<Executor> {
  const { patience = 30_000, path = "createRedisExecutor: options" } = options;
  const place = resolvePlace(options, path);
  const packages = await loadPackages("The executor redis");
  const say = (message: string): void => console.error(`[orchestrator] ${message}`);
  // Commands fail at once while it is away: who sent them knows better when to give up.
  const impatient = { enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: 5000 };
  const client = openClient(packages, place, { ...impatient, lazyConnect: true }, say);
  return createExecutor({ packages, client, names: place.names, host: place.host, patience, say });
}

interface Parts {
  packages: RedisPackages;
  client: Redis;
  names: ReturnType<typeof namesBelow>;
  host: string;
  patience: number;
  say: (message: string) => void;
}

function createExecutor({ packages, client, names, host, patience, say }: Parts): Executor {
  const queues = new Map<string, Queue>();
  const pending: Pending<RedisOrder> = createPending();
  const subscriber = client.duplicate({ enableOfflineQueue: true, commandTimeout: undefined });
  /** Orders to take back once Redis is back: there are attempts of their jobs that came after. */
  const abandoned = new Set<RedisOrder>();
  const closing = new AbortController();
  let answeredAt = Date.now();
  let ticking = false;

  client.on("ready", () => {
    const orders = [...abandoned];
    abandoned.clear();
    for (const order of orders) void takeBack(order, "cancelled");
  });
  subscriber.on("error", () => {});
  subscriber.on("message", (_channel, id) => {
    const order = pending.get(id);
    if (order) void look(order);
  });
  // What was said meanwhile was said to nobody.
  subscriber.on("ready", () => pending.each((order) => void (order.lookedAt = 0)));

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
      queue.on("error", () => {});
      queues.set(region, queue);
    }
    return queue;
  }

  function unreachable(): OrchestratorError {
    const message = `Redis at ${host} has not answered for ${patience} ms`;
    return new OrchestratorError("SERVER_UNREACHABLE", message, { retryable: true });
  }

  /** What Redis answers, however often it takes, until nobody waits for the order any more. */
  async function persist<T>(order: RedisOrder, ask: () => Promise<T>): Promise<T | undefined> {
    while (!order.settled && !closing.signal.aborted) {
      try {
        return await ask();
      } catch {
        await idleSleep(200, closing.signal);
      }
    }
    return undefined;
  }

  async function add(order: RedisOrder): Promise<void> {
    startTicking();
    await persist(order, async () => {
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
    });
    if (!order.settled) await look(order);
  }

  /** Reads what is new of an order; who asks meanwhile gets what is there then. */
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
      take(order, JSON.parse(text) as OrderRow);
    }
    if (order.settled || logs.length > 0) return;
    await readState(order);
  }

  function take(order: RedisOrder, row: OrderRow): void {
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

  /** What BullMQ knows of an order that has said nothing new. */
  async function readState(order: RedisOrder): Promise<void> {
    const { id, region } = order;
    const said = await client.get(names.verdict(id));
    if (said !== null) return settle(order, JSON.parse(said) as OrderVerdict);
    const job = await queueOf(region).getJob(id);
    if (!job) {
      if (order.worker !== undefined) return lose(order, "Redis has lost the order");
      // As after a restart of a Redis that keeps nothing: nobody has begun it, and nobody would.
      order.added = false;
      return add(order);
    }
    if (job.finishedOn !== undefined) {
      if ((await queueOf(region).getJobLogs(id, order.read, -1)).logs.length > 0) {
        order.again = true;
        return;
      }
      return lose(order, job.failedReason || "it ended without an answer");
    }
    // It may have died before it could say so.
    if (order.worker === undefined && job.processedBy) order.begin(job.processedBy);
  }

  function settle(order: RedisOrder, { verdict, worker, reason = "" }: OrderVerdict): void {
    const by = worker ?? "unknown";
    if (verdict === "lost") return order.fail(() => workerLost(by, reason));
    if (verdict === "timeout") return order.fail(({ timeout }) => orderTimedOut(by, timeout));
    order.fail(() => new OrchestratorError("EXECUTION_FAILED", "The order was cancelled"));
  }

  /** Says what has become of an order for all who wait for it now or later, and to its worker. */
  async function decide(order: RedisOrder, verdict: OrderVerdict): Promise<void> {
    const key = names.verdict(order.id);
    await client.set(key, JSON.stringify(verdict), "EX", keptOrders.age, "NX");
    await client.publish(names.verdicts, order.id);
  }

  async function lose(order: RedisOrder, reason: string): Promise<void> {
    const { worker = "unknown" } = order;
    await decide(order, { verdict: "lost", worker, reason });
    settle(order, { verdict: "lost", worker, reason });
  }

  /** Takes back an order that nobody waits for; a worker that has begun it stops. */
  async function takeBack(order: RedisOrder, reason: LeftReason): Promise<void> {
    const { id, region, worker } = order;
    try {
      const removed = reason === "unmanned" && (await queueOf(region).remove(id)) === 1;
      // One that nobody has begun may be handed in again.
      if (removed) return;
      const verdict = reason === "timeout" ? "timeout" : "cancelled";
      await decide(order, { verdict, ...(worker !== undefined && { worker }) });
      await queueOf(region).remove(id);
    } catch {
      // Once Redis is back. That a worker has it is no error.
      if (client.status !== "ready") abandoned.add(order);
    }
  }

  function startTicking(): void {
    if (ticking || closing.signal.aborted) return;
    ticking = true;
    answeredAt = Date.now();
    void (async () => {
      while (pending.size > 0 && !closing.signal.aborted) {
        await idleSleep(TICK_MS, closing.signal);
        await tick();
      }
      ticking = false;
    })();
  }

  async function tick(): Promise<void> {
    const regions = new Set<string>();
    pending.each(({ region }) => regions.add(region));
    try {
      for (const region of regions) {
        const alive = new Set(await living(region));
        answeredAt = Date.now();
        pending.each((order) => {
          if (order.region === region) watch(order, alive);
        });
      }
    } catch {
      const away = Date.now() - answeredAt > patience;
      pending.each((order) => {
        // Nobody was seen to be absent meanwhile.
        delete order.absentSince;
        if (!away) return;
        abandoned.add(order);
        order.fail(unreachable);
      });
      return;
    }
    const quiet = Date.now() - QUIET_MS;
    let looks = 0;
    pending.each((order) => {
      if (order.lookedAt < quiet && looks++ < LOOKS) void look(order);
    });
  }

  /** Gives an order up whose worker has been away for too long, or for which there is none. */
  function watch(order: RedisOrder, alive: ReadonlySet<string>): void {
    const now = Date.now();
    const { worker } = order;
    const absent = worker === undefined ? alive.size === 0 : !alive.has(worker);
    if (!absent) {
      delete order.absentSince;
      return;
    }
    order.absentSince ??= now;
    const since = now - order.absentSince;
    if (worker === undefined) return order.unmanned(since);
    if (since < ABSENT_MS) return;
    // It may have answered just before.
    void look(order).then(() => {
      if (order.settled || order.worker !== worker) return;
      lose(order, "it is not there any more").catch(() => {});
    });
  }

  function living(region: string): Promise<string[]> {
    return client.eval(livingScript, 1, names.workers(region)) as Promise<string[]>;
  }

  return {
    name: "redis",
    async start() {
      for (const each of [client, subscriber]) each.connect().catch(() => {});
      void subscriber.subscribe(names.news).catch(() => {});
      if (!(await connected(client, 1000))) return;
      await checkSettings(client, host, say);
    },
    async execute(request: ExecuteRequest) {
      const { region } = request.server;
      const text = orderText(orderOf(request), request.server);
      const id = orderId(request);
      return pending.join(
        id,
        request,
        (order) =>
          Object.assign(order, { region, text, read: 0, added: false, lookedAt: 0, again: false }),
        { added: add, left: takeBack },
      );
    },
    async workers(region) {
      try {
        return (await living(region)).length;
      } catch (error) {
        throw new OrchestratorError(
          "SERVER_UNREACHABLE",
          `Redis at ${host} does not answer: ${reasonOf(error)}`,
          { retryable: true, cause: error },
        );
      }
    },
    async knows({ idempotencyKey, attempt, server: { region } }) {
      const id = orderId({ idempotencyKey, attempt });
      if ((await client.exists(names.verdict(id))) === 1) return true;
      return (await queueOf(region).getJob(id)) !== undefined;
    },
    async close() {
      closing.abort();
      const message = "The executor redis was closed";
      pending.each((order) =>
        order.fail(() => new OrchestratorError("SERVER_UNREACHABLE", message, { retryable: true })),
      );
      await Promise.all([...queues.values()].map((queue) => queue.close().catch(() => {})));
      for (const each of [client, subscriber]) each.disconnect();
    },
  };
}

/** Says once what a Redis is set up to lose. */
async function checkSettings(
  client: Redis,
  host: string,
  say: (message: string) => void,
): Promise<void> {
  const info = await client.info("memory").catch(() => "");
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? "noeviction";
  const limited = !/^maxmemory:0\s*$/m.test(info);
  if (!limited || policy === "noeviction") return;
  say(
    `Redis at ${host} may evict orders: set its maxmemory-policy to noeviction (it is ${policy})`,
  );
}
