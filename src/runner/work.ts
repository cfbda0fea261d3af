/** The executions of one server, and whether it takes more. */
export interface Work {
  /** True once it drains. */
  readonly draining: boolean;
  /** Aborts when the drain begins. */
  readonly closing: AbortSignal;
  /** Executions that have not ended. */
  readonly size: number;
  /** Aborts what still runs when the drain's time is up. */
  readonly signal: AbortSignal;
  /** Counts an execution until it ends. */
  add(execution: Promise<unknown>): void;
  /** Takes no more, and resolves when all have ended, which is asked of them after `timeout` ms. */
  drain(timeout: number): Promise<void>;
}

// What an aborted execution may take to close its pages; a validation that hangs ends here too.
const grace = 6000;

/** An idle server's work. */
export function createWork(): Work {
  const executions = new Set<Promise<unknown>>();
  const deadline = new AbortController();
  const closing = new AbortController();
  return {
    get draining() {
      return closing.signal.aborted;
    },
    get size() {
      return executions.size;
    },
    closing: closing.signal,
    signal: deadline.signal,
    add(execution) {
      const settled = execution.catch(() => {}).finally(() => executions.delete(settled));
      executions.add(settled);
    },
    async drain(timeout) {
      closing.abort();
      const stop = (): void =>
        deadline.abort(new DOMException("The server is shutting down", "AbortError"));
      const timers = [setTimeout(stop, timeout)];
      const overdue = new Promise<void>((resolve) => {
        timers.push(setTimeout(resolve, timeout + grace));
      });
      await Promise.race([Promise.all(executions), overdue]);
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
