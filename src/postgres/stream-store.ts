import { randomUUID } from "node:crypto";
import type { Database } from "./database.ts";

/** How far a stream has got. */
export interface StreamState {
  /** Number of its chunks. */
  length: number;
  done: boolean;
}

/** Chunks from a place on, and the stream's state at that moment. */
export interface StreamPage extends StreamState {
  chunks: Uint8Array[];
}

/** The tables of streams. */
export interface StreamStore {
  /** Who writes, as others are told. */
  writer: string;
  /** Adds chunks, and closes the stream or not; nothing comes of it where it is closed already. */
  append(
    name: string,
    runId: string,
    chunks: readonly Uint8Array[],
    close: boolean,
  ): Promise<StreamState | undefined>;
  /** At most so many chunks, from an index on. */
  page(name: string, index: number, limit: number): Promise<StreamPage>;
  state(name: string): Promise<StreamState>;
  /** The run's streams, or only those that are open. */
  names(runId: string, which?: "open"): Promise<string[]>;
  /** Runs that have ended and have open streams. */
  endedRuns(): Promise<string[]>;
}

/** Where appended streams are told of, as `[key, length, done, runId, writer]`. */
export const streamChannel = "orchestrator_streams";

/*
 * Chunks are kept in the engine's table, where its tools find them, under ids that give their place: those of
 * earlier versions are in the order of the engine's ids, and ours behind them. An id has room for a place below
 * 10^12, and `Z` comes after what the engine's begin with.
 */
const idAt = (place: string): string => `'chnk_Z' || lpad((${place})::text, 12, '0')`;

/** What earlier versions wrote of a stream; they may have written behind its end. */
const legacy = `
  SELECT count(*) FILTER (WHERE NOT eof AND (first.id IS NULL OR c.id < first.id)) AS length,
         coalesce(bool_or(eof), false) AS done
  FROM workflow.workflow_stream_chunks c, (
    SELECT min(id) AS id FROM workflow.workflow_stream_chunks
    WHERE stream_id = $1 AND eof AND id < 'chnk_Z'
  ) first
  WHERE stream_id = $1 AND c.id < 'chnk_Z'`;

const state = `
  SELECT length, done, legacy FROM orchestrator.streams WHERE name = $1
  UNION ALL
  SELECT length, done, length AS legacy FROM (${legacy}) l
  WHERE NOT EXISTS (SELECT FROM orchestrator.streams WHERE name = $1)`;

/** Makes the tables' statements for one process, which writes to a stream one write after another. */
export function createStreamStore(
  database: Database,
  keyOf: (name: string) => string,
): StreamStore {
  const writer = randomUUID();
  let writes = 0;
  return {
    writer,
    async append(name, runId, chunks, close) {
      const values = chunks.map((_, index) => `(${index}, $${index + 8}::bytea)`);
      // Under the lock of the stream's row, which the statement holds until it is committed: what is committed
      // later comes later. The number of the write makes it safe to send it again.
      const rows = await database.query<{ length: string; done: boolean }>(
        `WITH legacy AS (${legacy}), grown AS (
          INSERT INTO orchestrator.streams AS s (name, run_id, length, legacy, done, writers)
          SELECT $1, $2, legacy.length + CASE WHEN legacy.done THEN 0 ELSE $3::int END, legacy.length,
                 legacy.done OR $4, jsonb_build_object($5::text, $6::bigint)
          FROM legacy
          ON CONFLICT (name) DO UPDATE SET
            length = s.length + $3, done = $4, writers = s.writers || excluded.writers
          WHERE NOT s.done AND coalesce((s.writers ->> $5)::bigint, 0) < $6
          RETURNING s.length, s.done, s.run_id
        ), added AS (
          SELECT ${idAt("grown.length - $3 + chunk.place")} AS id, chunk.data, false AS eof
          FROM grown, (VALUES ${["(NULL::int, NULL::bytea)", ...values].join(", ")}) chunk (place, data)
          WHERE chunk.place IS NOT NULL
          UNION ALL
          SELECT ${idAt("grown.length")}, ''::bytea, true FROM grown WHERE $4
        ), stored AS (
          INSERT INTO workflow.workflow_stream_chunks (id, stream_id, run_id, data, eof)
          SELECT added.id, $1, grown.run_id, added.data, added.eof FROM added, grown, legacy
          WHERE NOT legacy.done
        )
        SELECT length, done, pg_notify(
          '${streamChannel}', json_build_array($7::text, length, done, run_id, $5::text)::text
        ) FROM grown`,
        [name, runId, chunks.length, close, writer, ++writes, keyOf(name), ...chunks.map(asBuffer)],
        { repeatable: true },
      );
      return rows.length > 0 ? stateOf(rows) : undefined;
    },
    async page(name, index, limit) {
      const rows = await database.query<{ length: string; done: boolean; data: Buffer | null }>(
        `SELECT s.length, s.done, c.data FROM (${state}) s LEFT JOIN LATERAL (
          SELECT id, data FROM workflow.workflow_stream_chunks
          WHERE stream_id = $1 AND NOT eof
            AND id >= CASE WHEN $2::bigint < s.legacy THEN '' ELSE ${idAt("$2::bigint")} END
          ORDER BY id
          OFFSET CASE WHEN $2 < s.legacy THEN $2 ELSE 0 END
          LIMIT least($3::bigint, greatest(s.length - $2, 0))
        ) c ON true ORDER BY c.id`,
        [name, index, limit],
        { repeatable: true },
      );
      const chunks = rows.flatMap(({ data }) => (data ? [new Uint8Array(data)] : []));
      return { ...stateOf(rows), chunks };
    },
    async state(name) {
      const rows = await database.query<{ length: string; done: boolean }>(state, [name], {
        repeatable: true,
      });
      return stateOf(rows);
    },
    async names(runId, which) {
      const rows = await database.query<{ name: string }>(
        `SELECT name FROM orchestrator.streams WHERE run_id = $1 AND NOT ($2 AND done)
        UNION
        SELECT stream_id FROM workflow.workflow_stream_chunks c WHERE run_id = $1 AND NOT EXISTS (
          SELECT FROM orchestrator.streams WHERE name = c.stream_id
        )`,
        [runId, which === "open"],
        { repeatable: true },
      );
      return rows.map(({ name }) => name);
    },
    async endedRuns() {
      const rows = await database.query<{ run_id: string }>(
        `SELECT DISTINCT run_id FROM orchestrator.streams s JOIN workflow.workflow_runs r ON r.id = s.run_id
        WHERE NOT s.done AND r.status IN ('completed', 'failed', 'cancelled')`,
        [],
        { repeatable: true },
      );
      return rows.map(({ run_id }) => run_id);
    },
  };
}

function stateOf([row]: { length: string; done: boolean }[]): StreamState {
  return { length: Number(row?.length ?? 0), done: row?.done ?? false };
}

/** The same bytes, in the form that `pg` sends as they are. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
