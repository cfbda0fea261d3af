import { hostname } from "node:os";
import { defaults } from "../core/settings.ts";
import { onEndSignal } from "../runtime/signals.ts";
import { executeOrder } from "../worker/order.ts";

/** Milliseconds that a runner may take to heed that it was stopped. */
const STOP_MS = 5000;

/**
 * `orchestrator worker --order`: executes the one order in the environment, and ends the process. What stops it
 * at SIGTERM leaves no answer, and the exit code says so.
 *
 * @throws OrchestratorError `CONFIG_INVALID` where there is no order
 */
export async function workOneOrder(options: {
  runners: Record<string, unknown>;
  /** What the answer calls this worker; its host's name by default, which is a pod's own. */
  id?: string;
  /** Milliseconds that one runner may take. */
  timeout?: number;
}): Promise<void> {
  const { runners, id = hostname(), timeout = defaults.runners.timeout } = options;
  const abort = new AbortController();
  onEndSignal((signal) => {
    abort.abort(new Error(`the worker was told to end (${signal})`));
    setTimeout(() => process.exit(1), STOP_MS);
  });
  await executeOrder({
    runners,
    worker: id,
    timeout,
    env: process.env,
    signal: abort.signal,
    print: (lines) => new Promise((resolve) => process.stdout.write(lines, () => resolve())),
  });
  // A runner may have left a timer or a connection.
  process.exit(0);
}
