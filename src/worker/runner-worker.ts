import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { reasonOf } from "../core/errors.ts";
import { longestTimer, sleep } from "../core/sleep.ts";
import type { RedisExecutorConfig } from "../types/config.ts";
import { createOrderExecutor, type ExecuteOrder } from "./orders.ts";
import { onEndSignals } from "./end-signals.ts";
import { type WorkerLog, workerLog } from "./log.ts";
import { resolveWorker } from "./options.ts";
import type { OrderOutcome, TakeOrder, WorkSourceOwner } from "./source.ts";

/** What a runner worker is made of: its runners, and where it pulls orders for them. */
export interface RunnerWorkerOptions {
  /** Pulls from the queue on this Redis: its URL, or that and the prefix of its keys. */
  redis?: RedisExecutorConfig | string;
  /** Pulls from the database of this conductor. */
  conductor?: WorkSourceOwner;
  /** Runner functions by name, and their `<name>InputSchema`s, as in `import * as runners`. */
  runners: Record<string, unknown>;
  /** Takes the orders of this region; without one, those that name none. */
  region?: string;
  /**
   * Orders at once.
   * @default 1
   */
  concurrency?: number;
  /** What attempts and logs call it, which no other worker may be called. @default host, process and a random part */
  id?: string;
  /**
   * Milliseconds one runner may take.
   * @default 30000
   */
  timeout?: number;
  /**
   * Milliseconds that orders may take to end when it stops; the rest goes to other workers.
   * @default 5000
   */
  stopTimeout?: number;
  /**
   * Whether it stops at `SIGTERM` and `SIGINT`; a second one ends the process at once.
   * @default true
   */
  signals?: boolean;
  /** Takes down what it does. @default lines of JSON on stdout */
  log?: WorkerLog;
}

/** A process's worker: no port leads to it. */
export interface RunnerWorker {
  readonly id: string;
  /** Begins to pull; resolves when it does, or tries to connect. A second start is an error. */
  start(): Promise<void>;
  /**
   * Takes no new orders, lets those it has end within `stopTimeout`, and gives the rest back for another
   * worker. Again it answers with the first stop.
   */
  stop(): Promise<void>;
  /** Resolves when it has stopped, whoever stopped it. */
  readonly stopped: Promise<void>;
}

/** Why the orders of a worker that stops are aborted. */
const returned = Symbol("returned");

/** Milliseconds that aborted orders have to close what they opened. */
const GRACE_MS = 6000;

/**
 * Turns this process into a worker that pulls orders and executes their runners.
 *
 * @throws TypeError that names the option and what it should be
 */
export function createRunnerWorker(options: RunnerWorkerOptions): RunnerWorker {
  const { catalog, source, region, concurrency, timeout, stopTimeout, signals, ...rest } =
    resolveWorker(options);
  const { id = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}` } = rest;
  const { log = workerLog(id) } = rest;
  const execute = createOrderExecutor({
    catalog,
    worker: id,
    ...(region !== undefined && { region }),
    timeout,
  });
  const orders = createOrders(execute, log);
  let begun = false;
  let stopping: Promise<void> | undefined;
  let end!: () => void;
  const stopped = new Promise<void>((resolve) => (end = resolve));
  let forget = (): void => undefined;

  async function stop(): Promise<void> {
    try {
      if (begun) {
        await source.pause();
        await orders.drain(stopTimeout);
        await source.close();
      }
    } catch (error) {
      log("did not close", { error: reasonOf(error) });
    }
    forget();
    log("stopped");
    end();
  }

  const worker: RunnerWorker = {
    id,
    stopped,
    async start() {
      if (begun || stopping) throw new Error(`Worker ${id} has been started before`);
      begun = true;
      if (signals) {
        forget = onEndSignals((signal) => {
          log("stopping", { signal });
          void worker.stop();
        });
      }
      try {
        await source.start({
          id,
          region: region ?? "",
          concurrency,
          take: orders.take,
          note: log,
        });
      } catch (error) {
        await worker.stop();
        throw error;
      }
      if (stopping) {
        // It was told to stop before there was anything to let go of.
        await source.pause();
        await source.close();
        return;
      }
      log("pulling", {
        from: source.place,
        ...(region !== undefined && { region }),
        concurrency,
        runners: [...catalog.keys()],
      });
    },
    stop: () => (stopping ??= stop()),
  };
  return worker;
}

/** The orders that a worker executes, and their end when it stops. */
function createOrders(
  execute: ExecuteOrder,
  log: WorkerLog,
): { take: TakeOrder; drain(timeout: number): Promise<void> } {
  const running = new Map<AbortController, Promise<unknown>>();
  let draining = false;

  async function run(
    order: Parameters<TakeOrder>[0],
    { signal, onEvent }: Parameters<TakeOrder>[1],
    abort: AbortController,
  ): Promise<OrderOutcome> {
    const expired = Symbol("expired");
    const timer = setTimeout(() => abort.abort(expired), Math.min(order.timeout, longestTimer));
    const cancel = (): void => abort.abort();
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel, { once: true });
    try {
      const answer = await execute(order, { signal: abort.signal, onEvent });
      return { kind: "answered", answer };
    } catch {
      if (abort.signal.reason === expired) return { kind: "timed-out" };
      return { kind: abort.signal.reason === returned ? "returned" : "aborted" };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
    }
  }

  return {
    async take(order, options) {
      const { idempotencyKey, attempt } = order;
      const startedAt = Date.now();
      const abort = new AbortController();
      // It was claimed just before the source was told to claim no more.
      const ending = draining
        ? Promise.resolve<OrderOutcome>({ kind: "returned" })
        : run(order, options, abort);
      running.set(abort, ending);
      const outcome = await ending;
      running.delete(abort);
      log("order", {
        order: idempotencyKey,
        attempt,
        outcome: outcome.kind,
        ...(outcome.kind === "answered" && { status: outcome.answer.status }),
        duration_ms: Date.now() - startedAt,
      });
      return outcome;
    },
    async drain(timeout) {
      draining = true;
      const all = (): Promise<unknown> => Promise.all(running.values());
      const stop = new AbortController();
      await Promise.race([all(), sleep(timeout, stop.signal)]);
      for (const abort of running.keys()) abort.abort(returned);
      await Promise.race([all(), sleep(GRACE_MS, stop.signal)]);
      stop.abort();
    },
  };
}
