import { idleSleep } from "../core/sleep.ts";
import type { RetentionConfig } from "../types/config.ts";
import type { Database } from "./database.ts";

/** Removes old runs for as long as it is not stopped. */
export interface Retention {
  start(): void;
  stop(): void;
  /** Removes all that is too old or too many now; answers how many runs. Nothing where another process is at it. */
  sweep(): Promise<number>;
}

/** How often old runs are looked for, how many are found by one look at all runs, and go in one transaction. */
const EVERY_MS = 10 * 60_000;
const LOOK = 10_000;
const BATCH = 100;

/** The advisory lock of the one process that removes. */
const LOCK = "pg_try_advisory_xact_lock(1869768552, 3)";

/** The tables that have rows of a run, the run itself last: whoever sees it sees all that is its own. */
const tables = [
  "workflow.workflow_events",
  "workflow.workflow_steps",
  "workflow.workflow_hooks",
  "workflow.workflow_waits",
  "workflow.workflow_stream_chunks",
  "orchestrator.streams",
  "orchestrator.labels",
  "orchestrator.messages",
  "orchestrator.claims",
];

/** Old are runs that ended before a time, or that as many as are kept have ended after; the oldest first. */
const OLD = `
SELECT id FROM (
  SELECT id, completed_at, row_number() OVER (ORDER BY completed_at DESC, id DESC) AS place
  FROM workflow.workflow_runs
  WHERE status IN ('completed', 'failed', 'cancelled') AND completed_at IS NOT NULL
) AS ended
WHERE completed_at < now() - $1::float8 * interval '1 millisecond' OR place > $2::float8
ORDER BY completed_at, id LIMIT $3`;

/**
 * Removes runs that have ended with all that is theirs, their keys too.
 *
 * @param kept what is kept: runs younger than `age` milliseconds, and the newest `count` of them; without one, of
 *   any age or number
 * @param note told what went wrong; the next sweep tries again
 */
export function createRetention(
  database: Pick<Database, "query" | "transaction">,
  kept: RetentionConfig,
  note: (message: string) => void,
): Retention {
  const { age = Infinity, count = Infinity } = kept;
  const stopped = new AbortController();

  /** Answers how many there still were; nothing where another process is at it. */
  function removeBatch(ids: readonly string[]): Promise<number | undefined> {
    return database.transaction(async (query) => {
      const [lock] = await query<{ ours: boolean }>(`SELECT ${LOCK} AS ours`);
      if (!lock?.ours) return undefined;
      for (const table of tables) {
        await query(`DELETE FROM ${table} WHERE run_id = ANY($1)`, [ids]);
      }
      const sql = "DELETE FROM workflow.workflow_runs WHERE id = ANY($1) RETURNING id";
      return (await query(sql, [ids])).length;
    });
  }

  async function sweep(): Promise<number> {
    let removed = 0;
    for (;;) {
      const old = await database.query<{ id: string }>(OLD, [finite(age), finite(count), LOOK], {
        repeatable: true,
      });
      const ids = old.map(({ id }) => id);
      for (let at = 0; at < ids.length; at += BATCH) {
        const gone = stopped.signal.aborted
          ? undefined
          : await removeBatch(ids.slice(at, at + BATCH));
        if (gone === undefined) return removed;
        removed += gone;
      }
      if (ids.length < LOOK) return removed;
    }
  }

  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      await sweep().catch((error: unknown) => {
        if (!stopped.signal.aborted) note(`old runs are still there: ${(error as Error).message}`);
      });
      await idleSleep(EVERY_MS, stopped.signal);
    }
  }

  return { start: () => void run(), stop: () => stopped.abort(), sweep };
}

/** Postgres has intervals of so many milliseconds, which no run is as old as. */
function finite(value: number): number {
  return Math.min(value, 1e14);
}
