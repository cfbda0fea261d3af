import { randomInt } from "node:crypto";
import type { PoolClient } from "pg";
import { idleSleep } from "../core/sleep.ts";
import type { Database } from "./database.ts";

/**
 * A process as others see it: an advisory lock of a connection of its own. The end of the process is the end of
 * the connection, whatever ended it, so that the others need not wait for its leases to run out.
 */
export interface Presence {
  /** Its number. */
  readonly id: number;
  start(): void;
  stop(): void;
}

/** The first key of the advisory locks of processes. */
export const PRESENCE = 0x6f726369;

/** Between two attempts to be present again. */
const RETRY_MS = 500;

/** Creates a presence that nobody sees yet. */
export function createPresence({ pool }: Pick<Database, "pool">): Presence {
  const id = randomInt(1, 2 ** 31 - 1);
  const closing = new AbortController();
  let connection: PoolClient | undefined;

  function letGo(): void {
    connection?.release(true);
    connection = undefined;
  }

  async function stay(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        const client = (connection = await pool.connect());
        const gone = new Promise<void>((resolve) => {
          client.once("error", () => resolve());
          client.once("end", resolve);
        });
        if (closing.signal.aborted) break;
        await client.query("SELECT pg_advisory_lock($1, $2)", [PRESENCE, id]);
        // It waits for nothing, and so is no reason to stay alive.
        (client as unknown as { unref(): void }).unref();
        await gone;
      } catch {
        // While Postgres is away, nobody asks who is present.
      }
      letGo();
      await idleSleep(RETRY_MS, closing.signal);
    }
    letGo();
  }

  return {
    id,
    start: () => void stay(),
    stop() {
      closing.abort();
      letGo();
    },
  };
}
