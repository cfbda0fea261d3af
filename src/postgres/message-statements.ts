import { PRESENCE } from "./presence.ts";

/** The name of a run's wake-up among its messages. */
export const WAKE_UP = "wake";

/** How long a message is held without a sign of life; a process that dies is replaced after it. */
export const LEASE_MS = 10_000;

/** After how long without a sign of life it is looked whether the holder is still present. */
const SILENT_MS = 3000;

/** Where news of messages that nobody holds are told. */
export const MESSAGES_CHANNEL = "orchestrator_messages";

/** After a restart of Postgres, how long holders have to find back to it. */
const GRACE_MS = 5000;

const lease = `interval '${LEASE_MS} milliseconds'`;

const grace = `interval '${GRACE_MS} milliseconds'`;

/** The columns of a claim, under its names. */
const columns = `m.run_id AS "runId", m.name, m.kind, m.message_id AS "messageId",
  m.queue_name AS "queueName", m.payload, m.attempt, m.version, m.holder AS token, m.cut, m.spared`;

const table = "orchestrator.messages AS m";

/** Every row, for which both indexes by `due` are used. */
const ofAnyKind = "(kind = 'flow' OR kind <> 'flow')";

/** Joins the rows of claims, which come as three arrays. */
const given = "unnest($1::text[], $2::text[], $3::uuid[])";

/** A part of a statement that tells all processes once, where there are such rows. */
function told(rows: string): string {
  return `told AS MATERIALIZED (
  SELECT pg_notify('${MESSAGES_CHANNEL}', '') FROM (SELECT FROM ${rows} LIMIT 1) AS free
)`;
}

/** Stores, and tells others of what is not held. */
export const PUT: string = `
WITH given AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
    $8::float8[], $9::boolean[]) AS g(run_id, name, kind, message_id, queue_name, payload, carries, delay, hold)
), stored AS (
  INSERT INTO ${table} (run_id, name, kind, message_id, queue_name, payload, carries, holder, keeper, due)
  SELECT run_id, name, kind, message_id, queue_name, payload, carries, CASE WHEN hold THEN $10::uuid END, $11::int,
    CASE WHEN hold THEN now() + ${lease} ELSE now() + delay * interval '1 millisecond' END
  FROM given
  ON CONFLICT (run_id, name) DO UPDATE SET
    version = m.version + 1,
    queue_name = excluded.queue_name,
    payload = CASE WHEN excluded.carries OR NOT m.carries THEN excluded.payload ELSE m.payload END,
    carries = m.carries OR excluded.carries,
    holder = coalesce(m.holder, excluded.holder),
    keeper = CASE WHEN m.holder IS NULL THEN excluded.keeper ELSE m.keeper END,
    due = CASE WHEN m.holder IS NULL THEN excluded.due ELSE m.due END
  WHERE m.name = '${WAKE_UP}' OR m.holder = excluded.holder
  RETURNING m.*
), ${told("stored WHERE holder IS NULL AND due <= now()")}
SELECT ${columns} FROM (SELECT count(*) FROM told) AS once LEFT JOIN stored AS m ON m.holder = $10::uuid`;

/** What waits, and what a holder let go of by dying, which counts as a delivery. */
export const CLAIM: string = `
WITH flows AS (${waiting("kind = 'flow'", "$1")}),
steps AS (${waiting("kind <> 'flow'", "$2")}),
taken AS (SELECT * FROM flows UNION ALL SELECT * FROM steps)
UPDATE ${table} SET holder = $4::uuid, keeper = $5::int, due = now() + ${lease}, cut = m.cut OR t.lost,
  attempt = m.attempt + t.lost::int
FROM taken AS t WHERE m.run_id = t.run_id AND m.name = t.name
RETURNING ${columns}`;

function waiting(which: string, limit: string): string {
  return `SELECT run_id, name, holder IS NOT NULL AS lost FROM orchestrator.messages
    WHERE due <= now() AND ${which}
      AND (holder IS NULL OR now() > pg_postmaster_start_time() + ${grace})
      AND EXISTS (SELECT FROM unnest($3::text[]) AS prefix WHERE starts_with(queue_name, prefix))
    ORDER BY due LIMIT ${limit} FOR UPDATE SKIP LOCKED`;
}

export const RENEW: string = `
WITH mine AS (
  SELECT m.run_id, m.name FROM ${table}
  JOIN ${given} AS g(run_id, name, token) ON m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token
  ORDER BY 1, 2 FOR UPDATE OF m
)
UPDATE ${table} SET due = now() + ${lease} FROM mine
WHERE m.run_id = mine.run_id AND m.name = mine.name
RETURNING m.run_id AS "runId", m.name`;

export const REMOVE: string = `
DELETE FROM ${table}
USING unnest($1::text[], $2::text[], $3::uuid[], $4::int[]) AS g(run_id, name, token, version)
WHERE m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token AND m.version = g.version
RETURNING m.run_id AS "runId", m.name`;

export const AGAIN: string = `
UPDATE ${table} SET due = now() + ${lease}, attempt = 1, cut = false, spared = 0
FROM ${given} AS g(run_id, name, token)
WHERE m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token
RETURNING ${columns}`;

/** Something newer than what was delivered is due now. */
export const POSTPONE: string = `
WITH freed AS (
  UPDATE ${table} SET holder = NULL, cut = false, attempt = g.attempt,
    due = CASE WHEN m.version = g.version THEN now() + g.delay * interval '1 millisecond' ELSE now() END
  FROM unnest($1::text[], $2::text[], $3::uuid[], $4::int[], $5::int[], $6::float8[])
    AS g(run_id, name, token, version, attempt, delay)
  WHERE m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token
  RETURNING m.due
), ${told("freed WHERE due <= now()")}
SELECT count(*) FROM told`;

export const HAND_BACK: string = `
WITH freed AS (
  UPDATE ${table} SET holder = NULL, cut = true, due = now() FROM ${given} AS g(run_id, name, token)
  WHERE m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token
  RETURNING 1
), ${told("freed")}
SELECT count(*) FROM told`;

export const SPARE: string = `
UPDATE ${table} SET spared = $4, cut = false WHERE m.run_id = $1 AND m.name = $2 AND m.holder = $3::uuid`;

export const REAP: string = `
UPDATE ${table} SET due = now()
WHERE ${ofAnyKind} AND holder IS NOT NULL AND due > now() AND due < now() + ${lease} - interval '${SILENT_MS} milliseconds'
  AND now() > pg_postmaster_start_time() + ${grace}
  AND NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid = ${PRESENCE} AND objid = m.keeper::oid
  )
RETURNING 1`;

export const NEXT_DUE: string = `
SELECT extract(epoch FROM least((${next("kind = 'flow'")}), (${next("kind <> 'flow'")})) - now())::float8 * 1000 AS ms`;

function next(which: string): string {
  return `SELECT min(due) FROM orchestrator.messages WHERE ${which} AND due > now() AND holder IS NULL`;
}

export const WAKE_IDLE: string = `
INSERT INTO ${table} (run_id, name, kind, message_id, queue_name, payload, carries, due)
SELECT run_id, '${WAKE_UP}', 'flow', message_id, queue_name, payload, false, now()
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS g(run_id, message_id, queue_name, payload)
WHERE NOT EXISTS (SELECT FROM orchestrator.messages AS other WHERE other.run_id = g.run_id)
ON CONFLICT (run_id, name) DO NOTHING
RETURNING 1`;
