import { onAbort } from "../core/abort.ts";
import { longestTimer } from "../core/sleep.ts";
import type { RunnerCatalog } from "../runner/catalog.ts";
import { execute } from "../runner/execute.ts";
import { toRefusal } from "../runner/refusal.ts";
import { parseExecuteRequest } from "../runner/request.ts";
import type { RunnerEvent } from "../types/runner.ts";
import type { WorkAnswer, WorkOrder } from "../types/work.ts";

/** What orders are executed with. */
export interface OrdersOptions {
  catalog: RunnerCatalog;
  /** Id that answers carry. */
  worker: string;
  /** Region of this worker; an order's counts only when it has none. */
  region?: string;
  /** Milliseconds one runner may take. */
  timeout: number;
}

/** Executes one order. Rejects only with the signal's reason, once it aborts: the answer is then nobody's. */
export type ExecuteOrder = (
  order: WorkOrder,
  options?: { signal?: AbortSignal; onEvent?: (event: RunnerEvent) => void },
) => Promise<WorkAnswer>;

/** Executes orders in this process, and answers what a runner server would, errors included. */
export function createOrderExecutor(options: OrdersOptions): ExecuteOrder {
  const { catalog, worker, region, timeout } = options;
  return async (order, { signal, onEvent } = {}) => {
    const abort = new AbortController();
    const off = onAbort(signal, () => abort.abort(signal?.reason));
    // Whoever waits for the answer has given the attempt up by then: nothing may go on behind its back.
    const expire = (): void =>
      abort.abort(new DOMException(`${order.timeout} ms are over`, "TimeoutError"));
    const timer = setTimeout(expire, Math.min(order.timeout, longestTimer));
    try {
      const reply = await execute(catalog, parseExecuteRequest(order.request), {
        ...(region !== undefined && { region }),
        timeout,
        signal: abort.signal,
        ...(onEvent && { onEvent }),
      });
      signal?.throwIfAborted();
      return { status: 200, body: reply, worker };
    } catch (error) {
      signal?.throwIfAborted();
      const { body } = toRefusal(error);
      return { status: body.status, body, worker };
    } finally {
      clearTimeout(timer);
      off();
    }
  };
}
