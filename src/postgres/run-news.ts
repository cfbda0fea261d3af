import { randomUUID } from "node:crypto";
import { createBatches } from "./batches.ts";
import type { Database } from "./database.ts";

/** What processes tell each other of runs. */
export interface RunNews {
  /** Tells the other processes that a run's record has changed, and whether it has ended; fails for nobody. */
  tell(runId: string, ended: boolean): void;
  close(): void;
}

/** Whom the news of other processes are for. */
export interface RunNewsOptions {
  database: Database;
  /** Told of a run whose record another process has changed. */
  onNews: (runId: string, ended: boolean) => void;
  /** Runs whose news somebody waits for; when some may have been missed, each is told of. */
  watched: () => readonly string[];
}

/** Where news of runs are told. */
const CHANNEL = "orchestrator_runs";

/** Runs in one notification, which has room for 7,999 bytes. */
const TOGETHER = 100;

/** Listens to what other processes tell of runs, on a database that has been migrated. */
export function createRunNews({ database, onNews, watched }: RunNewsOptions): RunNews {
  const teller = randomUUID();
  const tellAll = createBatches<News>(async (batch) => {
    // A run that ended in the same moment as it began is told of once.
    const ends = new Map<string, boolean>();
    for (const [runId, ended] of batch) ends.set(runId, ended || ends.get(runId) === true);
    const news = [...ends];
    const payloads: string[] = [];
    for (let at = 0; at < news.length; at += TOGETHER) {
      payloads.push(JSON.stringify([teller, news.slice(at, at + TOGETHER)] satisfies Told));
    }
    await database.query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) payload", [
      CHANNEL,
      payloads,
    ]);
  });

  /** Looks for what may have been missed. */
  async function lookAtAll(): Promise<void> {
    const runIds = watched();
    if (runIds.length === 0) return;
    const rows = await database.query<{ id: string; ended: boolean }>(
      `SELECT id, status IN ('completed', 'failed', 'cancelled') AS ended
      FROM workflow.workflow_runs WHERE id = ANY($1)`,
      [runIds],
      { repeatable: true },
    );
    for (const { id, ended } of rows) onNews(id, ended);
  }

  const off = database.listen(
    CHANNEL,
    (payload) => {
      const [from, news] = JSON.parse(payload) as Told;
      if (from === teller) return;
      for (const [runId, ended] of news) onNews(runId, ended);
    },
    // Whoever waits also looks from time to time, should this fail.
    () => void lookAtAll().catch(() => undefined),
  );

  return {
    tell: (runId, ended) => void tellAll([runId, ended]).catch(() => undefined),
    close: off,
  };
}

type News = [runId: string, ended: boolean];

/** What is told, and by whom. */
type Told = [teller: string, news: News[]];
