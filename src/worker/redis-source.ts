import type { Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import {
  connected,
  keptOrders,
  livesScript,
  loadPackages,
  openClient,
  presenceMs,
  type RedisPackages,
  resolvePlace,
} from "../executors/redis-queue.ts";
import { idleSleep } from "../core/sleep.ts";
import type { RedisExecutorConfig } from "../types/config.ts";
import type { WorkOrder } from "../types/work.ts";
import { createRows, rowOf } from "./order-rows.ts";
import type { SourceWorker, WorkSource } from "./source.ts";

/** Milliseconds between two signs of life. */
const BEAT_MS = 1500;

/** Milliseconds that BullMQ may take to close: without Redis it would take for ever. */
const CLOSE_MS = 2000;

/** An order that is executed. */
interface Running {
  abort: AbortController;
}

/** Orders from the queue of a region on Redis. */
export function createRedisSource(given: RedisExecutorConfig, path: string): WorkSource {
  const place = resolvePlace(given, path);
  const { names, host } = place;
  const running = new Map<string, Running>();
  let client: Redis;
  let subscriber: Redis;
  let worker: Worker | undefined;
  /** Connections of BullMQ's own: without Redis it would never let go of them. */
  const others: Redis[] = [];
  let self: SourceWorker | undefined;
  let closed: Promise<void> | undefined;
  let isPaused = false;
  let beats: ReturnType<typeof setInterval> | undefined;

  function start(packages: RedisPackages, session: SourceWorker): void {
    const { region, id, concurrency, note } = (self = session);
    // A worker has nothing to do without Redis, and waits for it as long as it takes.
    const options = { maxRetriesPerRequest: null };
    client = openClient(packages, place, options, note);
    subscriber = client.duplicate();
    const duplicate = client.duplicate.bind(client);
    client.duplicate = (override) => {
      const made = duplicate(override);
      others.push(made);
      return made;
    };
    subscriber.on("error", () => {});
    subscriber.on("message", (_channel, order) => running.get(order)?.abort.abort());
    // What was said meanwhile was said to nobody.
    subscriber.on("ready", () => void checkVerdicts());
    void subscriber.subscribe(names.verdicts).catch(() => {});
    worker = new packages.bullmq.Worker(
      names.queue(region),
      (job: Job<WorkOrder>, token) => execute(packages, session, job, token),
      {
        connection: client,
        prefix: names.prefix,
        name: id,
        concurrency,
        // A worker that died is noticed by its presence; its order must not be executed by another behind
        // the back of those who wait for it, who hand it in again as the next attempt.
        maxStalledCount: 0,
        removeOnComplete: keptOrders,
        removeOnFail: keptOrders,
        runRetryDelay: 1000,
        skipVersionCheck: true,
        skipWaitingForReady: true,
      },
    );
    // Connections tell of themselves, and an order's own end tells what became of it.
    worker.on("error", () => {});
    client.on("ready", () => void beat(session));
    beats = setInterval(() => void beat(session), BEAT_MS);
  }

  /** Says that the worker lives; not while that would only wait for Redis. */
  async function beat({ region, id }: SourceWorker): Promise<void> {
    if (client.status !== "ready") return;
    await client
      .eval(livesScript, 1, names.workers(region), id, String(presenceMs))
      .catch(() => undefined);
  }

  /** Says that it lives no longer: whoever waits for a worker need not find that out. */
  async function leave(): Promise<void> {
    if (client?.status !== "ready" || !self) return;
    await client.zrem(names.workers(self.region), self.id).catch(() => undefined);
  }

  async function checkVerdicts(): Promise<void> {
    const orders = [...running.keys()];
    if (orders.length === 0) return;
    const verdicts = await client.mget(orders.map(names.verdict)).catch(() => []);
    orders.forEach((order, index) => {
      if (verdicts[index]) running.get(order)?.abort.abort();
    });
  }

  async function execute(
    packages: RedisPackages,
    session: SourceWorker,
    job: Job<WorkOrder>,
    token: string | undefined,
  ): Promise<string> {
    const id = job.id!;
    const abort = new AbortController();
    // Before the look: what is said from now on aborts it.
    running.set(id, { abort });
    const rows = createRows(async (row) => {
      await job.log(JSON.stringify(row));
      await client.publish(names.news, id);
    });
    try {
      if ((await client.exists(names.verdict(id))) === 1) return "overtaken";
      rows.add({ row: "begin", worker: session.id });
      // Nothing is executed of which nobody could know.
      await rows.written();
      const outcome = await session.take(job.data, { signal: abort.signal, onEvent: rows.event });
      const row = rowOf(outcome, session.id);
      if (row) rows.add(row);
      await rows.written();
      if (outcome.kind !== "returned") return outcome.kind;
    } finally {
      running.delete(id);
    }
    await job.moveToWait(token);
    throw new packages.bullmq.WaitingError();
  }

  return {
    place: `Redis at ${host}`,
    async start(session) {
      const packages = await loadPackages(path);
      if (isPaused) return;
      start(packages, session);
      if (!(await connected(client, 1000))) return;
      await beat(session);
    },
    async pause() {
      isPaused = true;
      // Not by its own `pause`: it would go on to be woken for orders, which it does not take, and nobody else is.
      // By force where Redis is away: else it would wait for an answer, with timers that never end.
      closed = worker?.close(client.status !== "ready").catch(() => {});
    },
    async close() {
      clearInterval(beats);
      await Promise.race([Promise.all([closed, leave()]), idleSleep(CLOSE_MS)]);
      for (const each of [client, subscriber, ...others]) each?.disconnect();
    },
  };
}
