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
    );
    CREATE INDEX ON orchestrator.claims (claimed_at);`,
  },
];
