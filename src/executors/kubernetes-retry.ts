import { backoff } from "../core/backoff.ts";
import { sleep } from "../core/sleep.ts";
import { isPassing, unreachable } from "./kubernetes-errors.ts";

/**
 * Asks until there is an answer, and gives up when there has been none for `outage` milliseconds.
 *
 * @throws OrchestratorError `SERVER_UNREACHABLE`
 * @throws ApiError for a refusal
 */
export async function persistently<T>(
  ask: () => Promise<T>,
  { outage, signal }: { outage: number; signal?: AbortSignal },
): Promise<T> {
  const began = Date.now();
  for (let failures = 1; ; failures++) {
    try {
      return await ask();
    } catch (error) {
      signal?.throwIfAborted();
      if (!isPassing(error)) throw error;
      const wait = error.retryAfter ?? 50 + backoff(failures, { base: 400, max: 5000 });
      if (Date.now() - began + wait > outage) throw unreachable(error, outage);
      await sleep(wait, signal);
      signal?.throwIfAborted();
    }
  }
}
