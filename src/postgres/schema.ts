import type { Migration } from "./migrations.ts";

/** Our tables, as one change after another; new ones come last. */
export const schema: readonly Migration[] = [
  {
    // `writers` has the number of each process's last write, so that one whose answer was lost can be repeated.
    name: "streams",
    sql: `CREATE TABLE orchestrator.streams (
      name text PRIMARY KEY,
      run_id text NOT NULL,
      length bigint NOT NULL,
      legacy bigint NOT NULL,
      done boolean NOT NULL,
      writers jsonb NOT NULL
    );
    CREATE INDEX ON orchestrator.streams (run_id);
    CREATE INDEX ON orchestrator.streams (run_id) WHERE NOT done;`,
  },
  {
    name: "claims",
    sql: `CREATE TABLE orchestrator.claims (
      key text PRIMARY KEY,
      run_id text NOT NULL,
      fingerprint text NOT NULL,
      claimed_at timestamptz NOT NULL DEFAULT now()
    );`,
  },
  {
    name: "processes",
    sql: `CREATE TABLE orchestrator.processes (
      id uuid PRIMARY KEY,
      seen_at timestamptz NOT NULL
    );`,
  },
  {
    // Rows come and go by the thousand, so what they leave is to be swept soon.
    name: "messages",
    sql: `CREATE TABLE orchestrator.messages (
      run_id text NOT NULL,
      name text NOT NULL,
      kind text NOT NULL,
      message_id text NOT NULL,
      queue_name text NOT NULL,
      payload text NOT NULL,
      carries boolean NOT NULL,
      attempt integer NOT NULL DEFAULT 1,
      version integer NOT NULL DEFAULT 1,
      due timestamptz NOT NULL,
      holder uuid,
      keeper integer,
      cut boolean NOT NULL DEFAULT false,
      spared integer NOT NULL DEFAULT 0,
      PRIMARY KEY (run_id, name)
    ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
    CREATE INDEX ON orchestrator.messages (due);`,
  },
  {
    name: "labels",
    sql: `CREATE TABLE orchestrator.labels (
      label text,
      run_id text,
      PRIMARY KEY (label, run_id)
    );
    CREATE INDEX ON orchestrator.labels (run_id);`,
  },
  {
    // So that who looks for steps need not pass all the wake-ups that wait, nor the other way round.
    name: "messages by kind",
    sql: `CREATE INDEX ON orchestrator.messages (due) WHERE kind = 'flow';
    CREATE INDEX ON orchestrator.messages (due) WHERE kind <> 'flow';
    DROP INDEX orchestrator.messages_due_idx;`,
  },
  {
    name: "claims by run",
    sql: "CREATE INDEX ON orchestrator.claims (run_id)",
  },
];
