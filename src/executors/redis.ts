import type { Redis } from "ioredis";
import { OrchestratorError, reasonOf } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import type { RedisExecutorConfig } from "../types/config.ts";
import type { Executor } from "../types/executor.ts";
import { createPending, type Pending } from "./pending-orders.ts";
import { createRedisOrders, type RedisOrder } from "./redis-orders.ts";
import {
  connected,
  livingScript,
  loadPackages,
  openClient,
  orderId,
  type RedisNames,
  type RedisPackages,
  resolvePlace,
} from "./redis-queue.ts";
import { orderOf, orderText } from "./work-order.ts";

/** How orders are handed to workers on Redis. */
export interface RedisExecutorOptions extends RedisExecutorConfig {
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
const ABSENT_MS = 3000;
/** Milliseconds without news after which an order is looked at all the same, and how many at once. */
const QUIET_MS = 5000;
const LOOKS = 100;

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
  names: RedisNames;
  host: string;
  patience: number;
  say: (message: string) => void;
}

function createExecutor({ packages, client, names, host, patience, say }: Parts): Executor {
  const pending: Pending<RedisOrder> = createPending();
  const closing = new AbortController();
  const orders = createRedisOrders({ packages, client, names, closing: closing.signal });
  const subscriber = client.duplicate({ enableOfflineQueue: true, commandTimeout: undefined });
  let answeredAt = Date.now();
  let ticking = false;

  subscriber.on("error", () => {});
  subscriber.on("message", (_channel, id) => {
    const order = pending.get(id);
    if (order) void orders.look(order);
  });
  // What was said meanwhile was said to nobody.
  subscriber.on("ready", () => pending.each((order) => void (order.lookedAt = 0)));

  function unreachable(): OrchestratorError {
    const message = `Redis at ${host} has not answered for ${patience} ms`;
    return new OrchestratorError("SERVER_UNREACHABLE", message, { retryable: true });
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
        order.fail(unreachable);
        void orders.takeBack(order, "cancelled");
      });
      return;
    }
    const quiet = Date.now() - QUIET_MS;
    let looks = 0;
    pending.each((order) => {
      if (order.lookedAt < quiet && looks++ < LOOKS) void orders.look(order);
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
    void orders.look(order).then(() => {
      if (order.settled || order.worker !== worker) return;
      orders.lose(order, "it is not there any more").catch(() => {});
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
    async execute(request) {
      const { region } = request.server;
      const text = orderText(orderOf(request), request.server);
      const id = orderId(request);
      return pending.join(
        id,
        request,
        (order) =>
          Object.assign(order, { region, text, read: 0, added: false, lookedAt: 0, again: false }),
        {
          added(order) {
            startTicking();
            return orders.add(order);
          },
          left: orders.takeBack,
        },
      );
    },
    async workers(region) {
      try {
        return (await living(region)).length;
      } catch (error) {
        // Without a connection the client speaks of its own options.
        const reason =
          client.status === "ready" ? `does not answer: ${reasonOf(error)}` : "is away";
        throw new OrchestratorError("SERVER_UNREACHABLE", `Redis at ${host} ${reason}`, {
          retryable: true,
          cause: error,
        });
      }
    },
    knows: (attempt) => orders.knows(orderId(attempt), attempt.server.region),
    async close() {
      closing.abort();
      const message = "The executor redis was closed";
      pending.each((order) =>
        order.fail(() => new OrchestratorError("SERVER_UNREACHABLE", message, { retryable: true })),
      );
      await orders.close();
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
