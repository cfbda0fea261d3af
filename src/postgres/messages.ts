import { randomUUID } from "node:crypto";
import type { Database } from "./database.ts";
import { codeOf } from "./pool.ts";

/**
 * Messages in the table `orchestrator.messages`, until they have been dealt with.
 *
 * - A message has one row, known by its run and its name; a run's wake-ups share the one named `wake`.
 * - Whoever delivers it holds it by a token: `due` is then the end of the lease, and is moved on while the holder
 *   lives. So `due` alone says what is to be delivered, and a holder that died is found like a delay that is over.
 * - Nothing is changed for a holder whose token is not the row's any more.
 * - `version` rises with what has to be delivered anew although a delivery is under way.
 */

/** Replays of a run follow one another, its steps run side by side; a `later` becomes a wake-up when it is due. */
export type MessageKind = "flow" | "step" | "later";

/** The name of a run's wake-up among its messages. */
export const WAKE_UP = "wake";

/** How long a message is held without a sign of life; a process that dies is replaced after it. */
export const LEASE_MS = 10_000;

/** Where news of messages that nobody holds are told. */
export const MESSAGES_CHANNEL = "orchestrator_messages";

/** A message to be stored. */
export interface NewMessage {
  /** `-` for no run. */
  runId: string;
  name: string;
  kind: MessageKind;
  messageId: string;
  queueName: string;
  payload: string;
  /** Whether the payload says more than that the run is to go on. */
  carries: boolean;
  delayMs: number;
  /** Whether it is held by who stores it, to deliver it at once. */
  hold: boolean;
}

/** A message that is held here. */
export interface Claim {
  runId: string;
  name: string;
  kind: MessageKind;
  messageId: string;
  queueName: string;
  payload: string;
  attempt: number;
  version: number;
  token: string;
  /** Whether a holder before has died, or has handed it back, in the middle of a delivery. */
  cut: boolean;
  /** Attempts of the step that were cut off so, and count for none. */
  spared: number;
}

/** A message that is not delivered again before a time. */
export interface Postponed extends Pick<Claim, "runId" | "name" | "token" | "version"> {
  attempt: number;
  delayMs: number;
}

/** The statements about messages; each is one round trip for any number of them. */
export interface Messages {
  /**
   * Stores messages, all of other names. Answers with what is held of them now; a wake-up that another holds is
   * noted there, and of messages under one key there is the first.
   */
  put(messages: readonly NewMessage[]): Promise<Claim[]>;
  /** Holds messages that are due, the longest waiting first. */
  claim(limits: { flows: number; steps: number; prefixes: readonly string[] }): Promise<Claim[]>;
  /** Holds them for another lease; answers with those that are still held. */
  renew(claims: readonly Held[]): Promise<Set<string>>;
  /** Removes what has been dealt with; answers with what has to be delivered anew, which goes on being held. */
  done(claims: readonly (Held & { version: number })[]): Promise<Claim[]>;
  postpone(messages: readonly Postponed[]): Promise<void>;
  /** Lets go of messages in the middle of their delivery, for others to take at once. */
  handBack(claims: readonly Held[]): Promise<void>;
  /** Notes that one more attempt of a step was cut off. */
  spare(claim: Held, spared: number): Promise<void>;
  /** Milliseconds until the next message is due that nobody holds. */
  nextDue(): Promise<number | undefined>;
  /** Wakes runs that have no message at all; answers how many. */
  wakeIdle(runs: readonly Pick<NewMessage, "runId" | "messageId" | "queueName">[]): Promise<number>;
}

/** What a claim is known by. */
export type Held = Pick<Claim, "runId" | "name" | "token">;

/** What a claim is known by in this process. */
export function keyOf({ runId, name }: Pick<Claim, "runId" | "name">): string {
  return `${runId}/${name}`;
}

const lease = `interval '${LEASE_MS} milliseconds'`;

/** The columns of a claim, under its names. */
const columns = `m.run_id AS "runId", m.name, m.kind, m.message_id AS "messageId",
  m.queue_name AS "queueName", m.payload, m.attempt, m.version, m.holder AS token, m.cut, m.spared`;

const table = "orchestrator.messages AS m";

/** Joins the rows of claims, which come as three arrays. */
const given = "unnest($1::text[], $2::text[], $3::uuid[])";

/** The statements over a database. */
export function createMessages(database: Pick<Database, "query">): Messages {
  /** Each of these may be executed twice; and where two got in each other's way, one is. */
  async function query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await database.query<Row>(text, values, { repeatable: true });
      } catch (error) {
        if (codeOf(error) !== "40P01" || attempt === 5) throw error;
      }
    }
  }

  return {
    async put(messages) {
      const token = randomUUID();
      // In one order everywhere, so that two processes do not wait for each other.
      const sorted = messages.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
      const rows = await query<Claim | { name: null }>(PUT, [
        sorted.map(({ runId }) => runId),
        sorted.map(({ name }) => name),
        sorted.map(({ kind }) => kind),
        sorted.map(({ messageId }) => messageId),
        sorted.map(({ queueName }) => queueName),
        sorted.map(({ payload }) => payload),
        sorted.map(({ carries }) => carries),
        sorted.map(({ delayMs }) => delayMs),
        sorted.map(({ hold }) => hold),
        token,
      ]);
      return rows.filter((row) => row.name !== null);
    },
    claim: ({ flows, steps, prefixes }) =>
      query<Claim>(CLAIM, [flows, steps, prefixes, randomUUID()]),
    async renew(claims) {
      const rows = await query<{ runId: string; name: string }>(RENEW, arraysOf(claims));
      return new Set(rows.map(keyOf));
    },
    async done(claims) {
      const arrays = [...arraysOf(claims), claims.map(({ version }) => version)];
      const removed = await query<{ runId: string; name: string }>(REMOVE, arrays);
      if (removed.length === claims.length) return [];
      const gone = new Set(removed.map(keyOf));
      return query<Claim>(AGAIN, arraysOf(claims.filter((claim) => !gone.has(keyOf(claim)))));
    },
    async postpone(messages) {
      await query(POSTPONE, [
        ...arraysOf(messages),
        messages.map(({ version }) => version),
        messages.map(({ attempt }) => attempt),
        messages.map(({ delayMs }) => delayMs),
      ]);
    },
    async handBack(claims) {
      await query(HAND_BACK, arraysOf(claims));
    },
    async spare({ runId, name, token }, spared) {
      await query(SPARE, [runId, name, token, spared]);
    },
    async nextDue() {
      const [row] = await query<{ ms: number | null }>(NEXT_DUE, []);
      return row?.ms ?? undefined;
    },
    async wakeIdle(runs) {
      const rows = await query(WAKE_IDLE, [
        runs.map(({ runId }) => runId),
        runs.map(({ messageId }) => messageId),
        runs.map(({ queueName }) => queueName),
        runs.map(({ runId }) => JSON.stringify({ runId })),
      ]);
      return rows.length;
    },
  };
}

function arraysOf(claims: readonly Held[]): [string[], string[], string[]] {
  return [
    claims.map(({ runId }) => runId),
    claims.map(({ name }) => name),
    claims.map(({ token }) => token),
  ];
}

/** A part of a statement that tells all processes once, where there are such rows. */
function told(rows: string): string {
  return `told AS MATERIALIZED (
  SELECT pg_notify('${MESSAGES_CHANNEL}', '') FROM (SELECT FROM ${rows} LIMIT 1) AS free
)`;
}

/** Stores, and tells others of what is not held. */
const PUT = `
WITH given AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
    $8::float8[], $9::boolean[]) AS g(run_id, name, kind, message_id, queue_name, payload, carries, delay, hold)
), stored AS (
  INSERT INTO ${table} (run_id, name, kind, message_id, queue_name, payload, carries, holder, due)
  SELECT run_id, name, kind, message_id, queue_name, payload, carries, CASE WHEN hold THEN $10::uuid END,
    CASE WHEN hold THEN now() + ${lease} ELSE now() + delay * interval '1 millisecond' END
  FROM given
  ON CONFLICT (run_id, name) DO UPDATE SET
    version = m.version + 1,
    queue_name = excluded.queue_name,
    payload = CASE WHEN excluded.carries OR NOT m.carries THEN excluded.payload ELSE m.payload END,
    carries = m.carries OR excluded.carries,
    holder = coalesce(m.holder, excluded.holder),
    due = CASE WHEN m.holder IS NULL THEN excluded.due ELSE m.due END
  WHERE m.name = '${WAKE_UP}' OR m.holder = excluded.holder
  RETURNING m.*
), ${told("stored WHERE holder IS NULL AND due <= now()")}
SELECT ${columns} FROM (SELECT count(*) FROM told) AS once LEFT JOIN stored AS m ON m.holder = $10::uuid`;

/**
 * What waits, and what a holder let go of by dying, which counts as a delivery. After a restart of Postgres holders
 * get a lease's time to find back to it.
 */
const CLAIM = `
WITH flows AS (${waiting("kind = 'flow'", "$1")}),
steps AS (${waiting("kind <> 'flow'", "$2")}),
taken AS (SELECT * FROM flows UNION ALL SELECT * FROM steps)
UPDATE ${table} SET holder = $4::uuid, due = now() + ${lease}, cut = m.cut OR t.lost,
  attempt = m.attempt + t.lost::int
FROM taken AS t WHERE m.run_id = t.run_id AND m.name = t.name
RETURNING ${columns}`;

function waiting(which: string, limit: string): string {
  return `SELECT run_id, name, holder IS NOT NULL AS lost FROM orchestrator.messages
    WHERE due <= now() AND ${which}
      AND (holder IS NULL OR now() > pg_postmaster_start_time() + ${lease})
      AND EXISTS (SELECT FROM unnest($3::text[]) AS prefix WHERE starts_with(queue_name, prefix))
    ORDER BY due LIMIT ${limit} FOR UPDATE SKIP LOCKED`;
}

const RENEW = `
WITH mine AS (
  SELECT m.run_id, m.name FROM ${table}
  JOIN ${given} AS g(run_id, name, token) ON m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token
  ORDER BY 1, 2 FOR UPDATE OF m
)
UPDATE ${table} SET due = now() + ${lease} FROM mine
WHERE m.run_id = mine.run_id AND m.name = mine.name
RETURNING m.run_id AS "runId", m.name`;

const REMOVE = `
DELETE FROM ${table}
USING unnest($1::text[], $2::text[], $3::uuid[], $4::int[]) AS g(run_id, name, token, version)
WHERE m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token AND m.version = g.version
RETURNING m.run_id AS "runId", m.name`;

const AGAIN = `
UPDATE ${table} SET due = now() + ${lease}, attempt = 1, cut = false, spared = 0
FROM ${given} AS g(run_id, name, token)
WHERE m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token
RETURNING ${columns}`;

/** Something newer than what was delivered is due now. */
const POSTPONE = `
WITH freed AS (
  UPDATE ${table} SET holder = NULL, cut = false, attempt = g.attempt,
    due = CASE WHEN m.version = g.version THEN now() + g.delay * interval '1 millisecond' ELSE now() END
  FROM unnest($1::text[], $2::text[], $3::uuid[], $4::int[], $5::int[], $6::float8[])
    AS g(run_id, name, token, version, attempt, delay)
  WHERE m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token
  RETURNING m.due
), ${told("freed WHERE due <= now()")}
SELECT count(*) FROM told`;

const HAND_BACK = `
WITH freed AS (
  UPDATE ${table} SET holder = NULL, cut = true, due = now() FROM ${given} AS g(run_id, name, token)
  WHERE m.run_id = g.run_id AND m.name = g.name AND m.holder = g.token
  RETURNING 1
), ${told("freed")}
SELECT count(*) FROM told`;

const SPARE = `
UPDATE ${table} SET spared = $4, cut = false WHERE m.run_id = $1 AND m.name = $2 AND m.holder = $3::uuid`;

const NEXT_DUE = `
SELECT extract(epoch FROM min(due) - now())::float8 * 1000 AS ms
FROM orchestrator.messages WHERE due > now() AND holder IS NULL`;

const WAKE_IDLE = `
INSERT INTO ${table} (run_id, name, kind, message_id, queue_name, payload, carries, due)
SELECT run_id, '${WAKE_UP}', 'flow', message_id, queue_name, payload, false, now()
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS g(run_id, message_id, queue_name, payload)
WHERE NOT EXISTS (SELECT FROM orchestrator.messages AS other WHERE other.run_id = g.run_id)
ON CONFLICT (run_id, name) DO NOTHING
RETURNING 1`;
