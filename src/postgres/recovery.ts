import { randomUUID } from "node:crypto";
import type { Database } from "./database.ts";
import { flowPrefix, type Storage } from "./events.ts";
import type { Messages } from "./messages.ts";

/** The advisory lock of the one process that recovers. */
const LOCK = [0x6f726368, 2];

/**
 * Wakes the runs that have not ended and have no message: those of an earlier version, whose messages were in another
 * queue, and those that wait for nothing but a hook, to which it does no harm. Another process that is at it does
 * it for this one too.
 */
export async function recover(
  database: Pick<Database, "pool">,
  storage: Pick<Storage, "runs">,
  messages: Pick<Messages, "wakeIdle">,
): Promise<void> {
  const client = await database.pool.connect();
  try {
    const { rows } = await client.query("SELECT pg_try_advisory_lock($1, $2) AS ours", LOCK);
    if (!rows[0].ours) return client.release();
    for (const status of ["pending", "running"] as const) await wakeIdle(storage, messages, status);
    await client.query("SELECT pg_advisory_unlock($1, $2)", LOCK);
    client.release();
  } catch (error) {
    // The lock is the connection's, and ends with it.
    client.release(true);
    throw error;
  }
}

async function wakeIdle(
  { runs }: Pick<Storage, "runs">,
  messages: Pick<Messages, "wakeIdle">,
  status: "pending" | "running",
): Promise<void> {
  let cursor: string | undefined;
  do {
    const page = await runs.list({
      status,
      resolveData: "none",
      pagination: { limit: 100, ...(cursor && { cursor }) },
    });
    await messages.wakeIdle(
      page.data.map(({ runId, workflowName }) => ({
        runId,
        messageId: `msg_${randomUUID()}`,
        queueName: `${flowPrefix()}${workflowName}`,
      })),
    );
    cursor = page.hasMore ? (page.cursor ?? undefined) : undefined;
  } while (cursor);
}
