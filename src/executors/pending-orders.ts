import { onAbort } from "../core/abort.ts";
import { noWorker } from "../core/pull.ts";
import { createEventBounds } from "../core/runner-events.ts";
import { longestTimer } from "../core/sleep.ts";
import type { ExecuteRequest } from "../types/executor.ts";
import type { RunnerEvent, RunnerExecuteReply } from "../types/runner.ts";
import { orderTimedOut, replyOf } from "./work-order.ts";

/** One order, for which any number of attempts wait that are the same. */
export interface PendingOrder {
  readonly id: string;
  /** Whether nobody waits for it any more. */
  readonly settled: boolean;
  /** Id of the worker that has begun it. */
  readonly worker: string | undefined;
  /** A worker has begun it, or another has begun it anew. */
  begin(worker: string): void;
  /** Its worker has given it back for another. */
  giveBack(): void;
  tell(event: RunnerEvent): void;
  /** Ends it with what a worker answered. */
  answer(answer: unknown): void;
  fail(error: (request: ExecuteRequest) => Error): void;
  /** No worker has been there for so many milliseconds: those who would wait no longer are rejected. */
  unmanned(ms: number): void;
}

/** Why an order is taken back. */
export type LeftReason = "cancelled" | "timeout" | "unmanned";

/** What is done about an order. Neither may reject. */
export interface OrderActions<Order> {
  /** Hands it in; it may have been handed in before. */
  added(order: Order): Promise<void>;
  /** Takes it back, since the last attempt that waited for it does so no longer. */
  left(order: Order, reason: LeftReason): Promise<void>;
}

/** Orders that attempts of this process wait for. */
export interface Pending<Order extends PendingOrder> {
  readonly size: number;
  get(id: string): Order | undefined;
  each(visit: (order: Order) => void): void;
  /** Waits for an order, which is made and handed in unless another attempt waits for it already. */
  join(
    id: string,
    request: ExecuteRequest,
    make: (order: PendingOrder) => Order,
    actions: OrderActions<Order>,
  ): Promise<RunnerExecuteReply>;
}

/** An attempt that waits. */
interface Waiting {
  request: ExecuteRequest;
  resolve(reply: RunnerExecuteReply): void;
  reject(error: unknown): void;
  timer?: ReturnType<typeof setTimeout>;
}

/** Milliseconds beyond an attempt's time in which its worker, which counts too, may say that it is up. */
const TIMEOUT_GRACE_MS = 2000;

/** Nothing is waited for yet. */
export function createPending<Order extends PendingOrder>(): Pending<Order> {
  const orders = new Map<string, { order: Order; join: (waiting: Waiting) => () => void }>();

  function open(
    id: string,
    make: (order: PendingOrder) => Order,
    { added, left }: OrderActions<Order>,
  ): { order: Order; join: (waiting: Waiting) => () => void } {
    const waiting = new Set<Waiting>();
    const told: RunnerEvent[] = [];
    // What workers say is bounded by them, and must be so here too.
    const bounds = createEventBounds(1);
    let worker: string | undefined;
    let settled = false;

    function settle(end: (one: Waiting) => void): void {
      if (settled) return;
      settled = true;
      orders.delete(id);
      for (const one of waiting) {
        clearTimeout(one.timer);
        end(one);
      }
      waiting.clear();
    }

    function leave(one: Waiting, error: unknown, reason: LeftReason): void {
      if (settled || !waiting.delete(one)) return;
      clearTimeout(one.timer);
      one.reject(error);
      if (waiting.size > 0) return;
      settle(() => {});
      void left(order, reason);
    }

    function begun(one: Waiting, by: string): void {
      const { timeout, onStart } = one.request;
      clearTimeout(one.timer);
      const expire = (): void => leave(one, orderTimedOut(by, timeout), "timeout");
      one.timer = setTimeout(expire, Math.min(timeout + TIMEOUT_GRACE_MS, longestTimer));
      onStart?.(by);
    }

    const order = make({
      id,
      get settled() {
        return settled;
      },
      get worker() {
        return worker;
      },
      begin(by) {
        if (by === worker) return;
        worker = by;
        for (const one of waiting) begun(one, by);
      },
      giveBack() {
        worker = undefined;
        for (const one of waiting) clearTimeout(one.timer);
      },
      tell(event) {
        if (settled || !bounds.admit(event, JSON.stringify(event).length)) return;
        told.push(event);
        for (const { request } of waiting) request.onEvent?.(event);
      },
      answer(answer) {
        settle(({ request, resolve, reject }) => {
          try {
            resolve(replyOf(answer, request));
          } catch (error) {
            reject(error);
          }
        });
      },
      fail: (error) => settle(({ request, reject }) => reject(error(request))),
      unmanned(ms) {
        for (const one of waiting) {
          const { wait = Infinity, server } = one.request;
          if (ms >= wait) leave(one, noWorker(server.region), "unmanned");
        }
      },
    });

    return {
      order,
      join(one) {
        waiting.add(one);
        if (waiting.size === 1) void added(order);
        if (worker !== undefined) begun(one, worker);
        for (const event of told) one.request.onEvent?.(event);
        const { signal } = one.request;
        return onAbort(signal, () => leave(one, signal!.reason, "cancelled"));
      },
    };
  }

  return {
    get size() {
      return orders.size;
    },
    get: (id) => orders.get(id)?.order,
    each(visit) {
      for (const { order } of orders.values()) visit(order);
    },
    async join(id, request, make, actions) {
      request.signal?.throwIfAborted();
      const entry = orders.get(id) ?? open(id, make, actions);
      orders.set(id, entry);
      let off = (): void => undefined;
      try {
        return await new Promise<RunnerExecuteReply>((resolve, reject) => {
          off = entry.join({ request, resolve, reject });
        });
      } finally {
        off();
      }
    },
  };
}
