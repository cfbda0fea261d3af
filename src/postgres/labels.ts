import type { RunQuery } from "../types/run-query.ts";
import type { Database } from "./database.ts";
import type { EventResult, Storage } from "./events.ts";

type Run = NonNullable<EventResult["run"]>;

/** Some of a query's runs, without their data, and where the next page begins. */
export interface LabelledRuns {
  runs: { run: Run; labels: readonly string[] }[];
  cursor?: string;
}

/** What runs are found by, in the table `orchestrator.labels`. */
export interface Labels {
  /** Stores a run's labels, in the transaction that the statement is in. */
  store(query: Execute, run: Run): Promise<void>;
  listRuns(query: RunQuery): Promise<LabelledRuns>;
  /** Whether all runs have their labels, those of earlier versions too. */
  filled(): Promise<boolean>;
  /** Labels runs that have none. */
  fill(): Promise<void>;
}

/** What labels need. */
export interface LabelsOptions {
  database: Database;
  storage: Pick<Storage, "runs">;
  /** A run's labels, as it was created or as it ended: it only gets more. */
  of: (run: Run) => readonly string[];
}

type Execute = (text: string, values: readonly unknown[]) => Promise<unknown>;

/** The label that every run has; those of callers have a colon in them. */
const EVERY = "every";

/** Runs that are labelled in one go. */
const TOGETHER = 100;

/** Between a run's id, which is of the time at which it was asked for, and its creation, on clocks of any zone. */
const DISORDER_MS = 26 * 3_600_000;

/** Notes, among the migrations, that no run lacks its labels. */
const FILLED = "labels of all runs";

/** Finds runs by their labels, the newest first. */
export function createLabels({ database, storage, of }: LabelsOptions): Labels {
  let filled = false;

  async function store(execute: Execute, run: Run): Promise<void> {
    const labels = [EVERY, `workflow ${run.workflowName}`, ...of(run)];
    await execute(STORE, [run.runId, labels]);
  }

  async function unlabelled(limit: number): Promise<string[]> {
    const options = { repeatable: true };
    const rows = await database.query<{ id: string }>(UNLABELLED, [EVERY, limit], options);
    return rows.map(({ id }) => id);
  }

  async function isFilled(): Promise<boolean> {
    if (filled) return true;
    const options = { repeatable: true };
    const [noted] = await database.query(NOTED, [FILLED], options);
    // From then on each run gets its labels when it is created.
    if (!noted && (await unlabelled(1)).length > 0) return false;
    if (!noted) await database.query(NOTE, [FILLED], options);
    return (filled = true);
  }

  return {
    store,
    filled: isFilled,
    async fill() {
      while (!(await isFilled())) {
        for (const id of await unlabelled(TOGETHER)) {
          const run = (await storage.runs.get(id)) as Run;
          await store((text, values) => database.query(text, values, { repeatable: true }), run);
        }
      }
    },
    async listRuns(query) {
      const { text, values } = statementOf(query);
      const rows = await database.query<{ run_id: string; labels: string[] }>(text, values, {
        repeatable: true,
      });
      const page = rows.slice(0, query.limit);
      const runs = await Promise.all(
        page.map(async ({ run_id, labels }) => ({
          run: (await storage.runs.get(run_id, { resolveData: "none" })) as Run,
          labels,
        })),
      );
      return { runs, ...(rows.length > page.length && { cursor: page.at(-1)!.run_id }) };
    },
  };
}

/** The statement that finds a query's runs, and one more, which tells whether there is another page. */
function statementOf(query: RunQuery): { text: string; values: unknown[] } {
  const { workflowName, status, exceptWorkflows = [], since, until, cursor, limit } = query;
  const values: unknown[] = [];
  const value = (one: unknown): string => `$${values.push(one)}`;
  const labels = [...new Set(query.labels)];
  if (workflowName !== undefined) labels.push(`workflow ${workflowName}`);
  const [first = EVERY, ...others] = labels;
  const where = [`l.label = ${value(first)}`, `r.name <> ALL (${value(exceptWorkflows)})`];
  for (const label of others) {
    where.push(`EXISTS (
      SELECT FROM orchestrator.labels o WHERE o.label = ${value(label)} AND o.run_id = l.run_id
    )`);
  }
  if (status !== undefined) where.push(`r.status = ${value(status)}`);
  if (cursor !== undefined) where.push(`l.run_id < ${value(cursor)}`);
  // The engine's columns are of no zone, and it reads them as of UTC.
  const created = "extract(epoch FROM r.created_at) * 1000";
  if (since !== undefined) {
    where.push(`trunc(${created}) >= ${value(since)}`);
    where.push(`l.run_id >= ${value(`wrun_${timeOf(since - DISORDER_MS)}`)}`);
  }
  if (until !== undefined) {
    where.push(`trunc(${created}) < ${value(until)}`);
    where.push(`l.run_id < ${value(`wrun_${timeOf(until + DISORDER_MS)}`)}`);
  }
  const text = `SELECT l.run_id,
      ARRAY(SELECT label FROM orchestrator.labels a WHERE a.run_id = l.run_id) AS labels
    FROM orchestrator.labels l JOIN workflow.workflow_runs r ON r.id = l.run_id
    WHERE ${where.join(" AND ")} ORDER BY l.run_id DESC LIMIT ${value(limit + 1)}`;
  return { text, values };
}

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** The part of an id that says the time, as ULIDs have it. */
function timeOf(ms: number): string {
  let left = Math.min(Math.max(0, Math.floor(ms)), 2 ** 48 - 1);
  let text = "";
  for (let place = 0; place < 10; place++) {
    text = DIGITS[left % 32]! + text;
    left = Math.floor(left / 32);
  }
  return text;
}

const NOTED = "SELECT name FROM orchestrator.migrations WHERE name = $1";
const NOTE = "INSERT INTO orchestrator.migrations (name) VALUES ($1) ON CONFLICT DO NOTHING";

const STORE = `INSERT INTO orchestrator.labels (run_id, label)
  SELECT $1, label FROM unnest($2::text[]) label ON CONFLICT DO NOTHING`;

const UNLABELLED = `SELECT id FROM workflow.workflow_runs r
  WHERE NOT EXISTS (SELECT FROM orchestrator.labels l WHERE l.label = $1 AND l.run_id = r.id)
  ORDER BY id DESC LIMIT $2`;
