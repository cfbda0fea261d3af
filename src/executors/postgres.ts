import { randomUUID } from "node:crypto";
import { isAway, openConductorDatabase } from "../conductor/database.ts";
import { createListener } from "../conductor/listener.ts";
import { queueOfRegion } from "../conductor/orders.ts";
import { importGraphile } from "../conductor/packages.ts";
import { SILENT_MS, takeOver } from "../conductor/registration.ts";
import { ensureSchema, TABLES } from "../conductor/schema.ts";
import { OrchestratorError, reasonOf } from "../core/errors.ts";
import { assertPostgresUrl } from "../core/executor-options.ts";
import { idleSleep } from "../core/sleep.ts";
import type { PostgresPool } from "../types/conductor.ts";
import type { PostgresExecutorConfig } from "../types/config.ts";
import type { Executor } from "../types/executor.ts";
import { createPending, type Pending } from "./pending-orders.ts";
import { createPostgresOrders, orderIdOf, type PostgresOrder } from "./postgres-orders.ts";
import { orderOf, orderText } from "./work-order.ts";

/** How orders are handed to workers on Postgres. */
export interface PostgresExecutorOptions extends PostgresExecutorConfig {
  /** A `Pool` of `pg` instead of a URL, which stays yours to end. */
  pool?: PostgresPool;
  /**
   * Milliseconds that Postgres may be away until attempts are rejected with `SERVER_UNREACHABLE`.
   * @default 30000
   */
  patience?: number;
  /** What errors call these options. */
  path?: string;
}

/** Milliseconds between two looks at the workers of attempts under way. */
const TICK_MS = 1000;
/** Milliseconds without news after which an order is looked at all the same, and how many at once. */
const QUIET_MS = 5000;
const LOOKS = 100;
/** How long the start waits for Postgres, which it can do without. */
const START_MS = 3000;

/**
 * Hands orders to workers by graphile-worker, one queue a region. An order that was handed in before is joined,
 * also by another process.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, also where `pg` or `graphile-worker` is not installed
 */
export async function createPostgresExecutor(
  options: PostgresExecutorOptions = {},
): Promise<Executor> {
  const { url, pool, patience = 30_000, path = "createPostgresExecutor: options" } = options;
  if (!pool) assertPostgresUrl(url, `${path}.url`);
  const database = openConductorDatabase({
    ...(pool ? { pool } : { connectionString: url as string }),
    // Who waits for an answer knows better when to give up.
    patience: 0,
    onPoolError: () => undefined,
  });
  await importGraphile();
  await database.pool();

  const pending: Pending<PostgresOrder> = createPending();
  const closing = new AbortController();
  const listener = createListener(database);
  let ensuring: Promise<void> | undefined;
  const ready = (): Promise<void> => {
    ensuring ??= ensureSchema(database);
    ensuring.catch(() => (ensuring = undefined));
    return ensuring;
  };
  const orders = createPostgresOrders({ database, ready, closing: closing.signal });
  const look = (id: string | undefined): void => {
    const order = id === undefined ? undefined : pending.get(id);
    if (order) void orders.look(order);
  };
  const self = randomUUID();
  let ticking = false;
  let answeredAt = 0;
  let steadySince = 0;

  function startTicking(): void {
    if (ticking || closing.signal.aborted) return;
    ticking = true;
    answeredAt = steadySince = performance.now();
    const news = listener.subscribe(
      ({ noted, ended }) => {
        look(noted);
        look(ended);
      },
      // What was said meanwhile was said to nobody.
      () => pending.each((order) => void orders.look(order)),
    );
    void (async () => {
      while (pending.size + orders.behind > 0 && !closing.signal.aborted) {
        await idleSleep(TICK_MS, closing.signal);
        await tick().catch(away);
      }
      news.off();
      ticking = false;
      // One may have come while the last was let go of.
      if (pending.size > 0) startTicking();
    })();
  }

  async function tick(): Promise<void> {
    const regions = new Set<string>();
    pending.each(({ region }) => regions.add(region));
    await ready();
    const manned = await mannedOf([...regions]);
    const now = performance.now();
    if (now - answeredAt > SILENT_MS / 2) steadySince = now;
    answeredAt = now;
    await orders.catchUp();
    // Nobody else may be there to see that a worker has died.
    if (now - steadySince >= SILENT_MS) await takeOver(database, self, SILENT_MS);
    const quiet = Date.now() - QUIET_MS;
    let looks = 0;
    pending.each((order) => {
      if (manned.has(queueOfRegion(order.region)) || !order.idle) delete order.absentSince;
      else order.unmanned(now - (order.absentSince ??= now));
      if (!order.settled && order.lookedAt < quiet && looks++ < LOOKS) void orders.look(order);
    });
  }

  function away(): void {
    const over = performance.now() - answeredAt > patience;
    pending.each((order) => {
      // Nobody was seen to be absent meanwhile.
      delete order.absentSince;
      if (!over) return;
      order.fail(
        () =>
          new OrchestratorError(
            "SERVER_UNREACHABLE",
            `Postgres has not answered for ${patience} ms`,
            { retryable: true },
          ),
      );
      void orders.takeBack(order, "cancelled");
    });
  }

  /** Queues of these regions that a worker takes orders from. */
  async function mannedOf(regions: readonly string[]): Promise<Set<string>> {
    const rows = await database.query<{ queue: string }>(
      `select distinct queue from ${TABLES}.orchestrators, unnest(queues) as queue
      where queue = any($1) and beat_at > now() - $2 * interval '1 millisecond'`,
      [regions.map(queueOfRegion), SILENT_MS],
    );
    return new Set(rows.map(({ queue }) => queue));
  }

  return {
    name: "postgres",
    async start() {
      const over = new AbortController();
      const there = ready().catch((error: unknown) => {
        if (!isAway(error)) throw error;
      });
      await Promise.race([there, idleSleep(START_MS, over.signal)]).finally(() => over.abort());
    },
    async execute(request) {
      const { region } = request.server;
      const text = orderText(orderOf(request), request.server);
      return pending.join(
        orderIdOf(request),
        request,
        (order) =>
          Object.assign(order, {
            region,
            text,
            read: "0",
            added: false,
            adding: false,
            idle: true,
            lookedAt: 0,
            again: false,
          }),
        {
          async added(order) {
            startTicking();
            await orders.add(order);
            if (orders.behind > 0) startTicking();
          },
          async left(order, reason) {
            await orders.takeBack(order, reason);
            if (orders.behind > 0) startTicking();
          },
        },
      );
    },
    async workers(region) {
      try {
        await ready();
        const [row] = await database.query<{ count: number }>(
          `select count(*)::int as count from ${TABLES}.orchestrators
          where $1 = any(queues) and beat_at > now() - $2 * interval '1 millisecond'`,
          [queueOfRegion(region), SILENT_MS],
        );
        return row?.count ?? 0;
      } catch (error) {
        throw new OrchestratorError(
          "SERVER_UNREACHABLE",
          `Postgres does not answer: ${reasonOf(error)}`,
          { retryable: true, cause: error },
        );
      }
    },
    async knows(attempt) {
      await ready();
      const rows = await database.query(`select from ${TABLES}.executions where id = $1`, [
        orderIdOf(attempt),
      ]);
      return rows.length > 0;
    },
    async close() {
      closing.abort();
      pending.each((order) =>
        order.fail(
          () =>
            new OrchestratorError("SERVER_UNREACHABLE", "The executor postgres was closed", {
              retryable: true,
            }),
        ),
      );
      await database.close();
    },
  };
}
