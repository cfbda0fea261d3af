import { sleep } from "../core/sleep.ts";
import type { EventResult } from "./events.ts";
import type { StoragePool } from "./transactions.ts";

/** The id of a run's last event, in the transaction that the caller is in. */
export async function lastEventOf(
  pool: Pick<StoragePool, "query">,
  runId: string,
): Promise<string | undefined> {
  const { rows } = await pool.query(LAST, [runId]);
  return (rows as { id: string | null }[])[0]?.id ?? undefined;
}

/** Not by the index of ids, which has those of all runs. */
const LAST = `SELECT max(id COLLATE "C") AS id FROM workflow.workflow_events WHERE run_id = $1`;

/** An event would come before one that a replay may have seen already. */
class OutOfOrder extends Error {
  override name = "OutOfOrder";
}

/** For how long an event waits for the clock of this process to be past that of another. */
const MAX_SKEW_MS = 10_000;

/**
 * Ids of events begin with the time of the process that stores them, and the log has their order: where another
 * process's clock is ahead, an event could get in front of one that is stored, and replays would disagree.
 */
export function checkOrder(
  last: string | undefined,
  results: readonly PromiseSettledResult<EventResult>[],
): void {
  if (last === undefined) return;
  for (const result of results) {
    const id = result.status === "fulfilled" ? result.value.event?.eventId : undefined;
    if (id !== undefined && id <= last) throw new OutOfOrder(`${id} is not behind ${last}`);
  }
}

/** Stores when this process's clock has passed the last event's; what is refused by `checkOrder` is tried again. */
export async function inOrder<T>(attempt: () => Promise<T>): Promise<T> {
  const until = performance.now() + MAX_SKEW_MS;
  let pause = 1;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof OutOfOrder)) throw error;
      if (performance.now() > until) {
        throw new Error("the clocks of two processes differ by more than 10 s", {
          cause: error,
        });
      }
      await sleep(pause);
      pause = Math.min(pause * 2, 100);
    }
  }
}
