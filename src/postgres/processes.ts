import { randomUUID } from "node:crypto";
import { firstOf, sleep } from "../core/sleep.ts";
import type { Database } from "./database.ts";

/** The processes on a database, of which this is one. */
export interface Processes {
  /** Gives signs of life until it is stopped, and looks for those of others; resolves when the first is given. */
  start(): Promise<void>;
  /** Leaves, which the others do not take for a death. */
  stop(): Promise<void>;
}

/** How long a process is taken to live without a sign of it. */
const DEAD_MS = 8000;

/** How long it may take to leave. */
const LEAVE_MS = 500;

/** How long its start waits until it would hear that Postgres goes away. */
const LISTEN_MS = 2000;

/** How often signs are given and looked for. */
const BEAT_MS = 2000;

/**
 * Joins the processes that share a database. One that stands still for too long counts as dead, and lives again
 * with its next sign.
 *
 * @param options.onLoss called when what was begun may have been left undone: in one of those that live when
 *   another has died, and in each when Postgres has been away
 */
export function createProcesses(
  database: Pick<Database, "listen" | "query">,
  options: { onLoss: () => void; beat?: number; dead?: number },
): Processes {
  const { onLoss, beat: every = BEAT_MS, dead = DEAD_MS } = options;
  const id = randomUUID();
  let timer: ReturnType<typeof setInterval> | undefined;
  let unlisten = (): void => undefined;
  let beating: Promise<void> | undefined;

  async function beat(): Promise<void> {
    const [row] = await database.query<{ deaths: number }>(BEAT, [id, dead], { repeatable: true });
    if (row!.deaths > 0 && timer) onLoss();
  }

  /** What fails is done by the next one; while Postgres is away, one waits for it. */
  function beatAlone(): void {
    beating ??= beat()
      .catch(() => undefined)
      .finally(() => (beating = undefined));
  }

  return {
    async start() {
      timer ??= setInterval(beatAlone, every).unref();
      let begun = false;
      const listening = new Promise<void>((resolve) => {
        unlisten = database.listen(CHANNEL, noNews, () => {
          if (begun) onLoss();
          begun = true;
          resolve();
        });
      });
      await beat();
      // What goes away before it listens would not be missed.
      await firstOf(
        undefined,
        () => listening,
        (signal) => sleep(LISTEN_MS, signal),
      );
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      unlisten();
      const left = (async () => {
        await beating;
        await database.query(LEAVE, [id], { repeatable: true });
      })();
      // Without it others take the end for a death, which does no harm; Postgres may be away for long.
      await firstOf(
        undefined,
        () => left.catch(() => undefined),
        (signal) => sleep(LEAVE_MS, signal),
      );
    },
  };
}

/** Nobody says anything there: what counts is when nobody could have been heard. */
const CHANNEL = "orchestrator_processes";

function noNews(): void {}

/** A restart of Postgres leaves everybody the time to give a sign again. */
const BEAT = `
WITH sign AS (
  INSERT INTO orchestrator.processes (id, seen_at) VALUES ($1, now())
  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
), silent AS (
  SELECT id FROM orchestrator.processes
  WHERE id <> $1 AND seen_at < now() - $2 * interval '1 millisecond'
    AND now() > pg_postmaster_start_time() + $2 * interval '1 millisecond'
  FOR UPDATE SKIP LOCKED
), dead AS (
  DELETE FROM orchestrator.processes AS p USING silent WHERE p.id = silent.id RETURNING 1
)
SELECT count(*)::int AS deaths FROM dead`;

const LEAVE = "DELETE FROM orchestrator.processes WHERE id = $1";
