import { randomUUID } from "node:crypto";
import { Client, Pool } from "pg";
import { afterEach } from "vitest";
import { Conductor, Orchestrator } from "../../src/worker/index.ts";
import type {
  ConductorLogger,
  ConductorOptions,
  OrchestratorCreateOptions,
  Task,
  TaskContext,
} from "../../src/worker/index.ts";
import type { TestPostgres } from "../_support/postgres.ts";

/** One line that a conductor has logged. */
export interface Line extends Record<string, unknown> {
  level: string;
  message: string;
}

/** What a test has on a database of its own; all of it is let go of after the test. */
export interface Bench {
  url: string;
  conductor: Conductor;
  lines: Line[];
  /** An orchestrator on the test's conductor. */
  orchestrator(options?: Omit<OrchestratorCreateOptions, "conductor">): Orchestrator;
  /** A task that can be invoked, of the queue `default`. */
  task<Payload = unknown>(
    name: string,
    handler: (payload: Payload, ctx: TaskContext) => unknown,
    options?: { maxAttempts?: number; concurrency?: number; queue?: string },
  ): Task<Payload>;
  query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
}

let count = 0;

/** Makes benches on the server that a file has started. */
export function benches(
  postgres: () => TestPostgres,
): (options?: Partial<ConductorOptions> & { clock?: boolean }) => Promise<Bench> {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  let template: Promise<string> | undefined;
  return async ({ clock = false, ...options } = {}) => {
    const name = `bench_${++count}`;
    const url = await copyOf((template ??= makeTemplate(postgres())), name, postgres().url);
    if (clock) await setClock(url, name);
    const client = new Pool({ connectionString: url, max: 2 });
    // Postgres may be restarted under it.
    client.on("error", () => undefined);
    ends.push(() => client.end());
    const lines: Line[] = [];
    const conductor = Conductor.create({
      ...(!options.pool && { connectionString: url }),
      logger: memoryLog(lines),
      ...options,
    });
    ends.push(() => conductor.close());
    return {
      url,
      conductor,
      lines,
      orchestrator(options = {}) {
        const orchestrator = Orchestrator.create({ conductor, ...options });
        ends.push(() => orchestrator.stop());
        return orchestrator;
      },
      task: (name, handler, options = {}) =>
        conductor.createTask({ name, ...options }, { invocable: true }, (event, ctx) =>
          handler(event.payload as never, ctx),
        ) as never,
      query: async (text, values) => (await client.query(text, values)).rows as never,
    };
  };
}

/** A database with all tables, which takes longer to make than to copy. */
async function makeTemplate(postgres: TestPostgres): Promise<string> {
  const name = `bench_template_${++count}`;
  const conductor = Conductor.create({ connectionString: await postgres.createDatabase(name) });
  await conductor.execution(randomUUID());
  await conductor.close();
  return name;
}

async function copyOf(template: Promise<string>, name: string, server: string): Promise<string> {
  const original = await template;
  const client = new Client(server);
  await client.connect();
  await client.query(`create database ${name} template ${original}`);
  await client.end();
  return new URL(`/${name}`, server).href;
}

/** Gives a database a `now()` that can be moved, which every process then sees. */
async function setClock(url: string, database: string): Promise<void> {
  // Connections made before do not see it.
  const client = new Client(url);
  await client.connect();
  await client.query(`
    create schema clock;
    create table clock.ahead (by interval not null);
    insert into clock.ahead values ('0');
    create function clock.now() returns timestamptz language sql stable
      as 'select pg_catalog.now() + (select by from clock.ahead)';
    alter database ${database} set search_path = clock, pg_catalog, public;
  `);
  await client.end();
}

/** Moves the clock of such a database on. */
export async function goOn(bench: Bench, ms: number): Promise<void> {
  await bench.query("update clock.ahead set by = by + $1 * interval '1 millisecond'", [ms]);
}

function memoryLog(lines: Line[]): ConductorLogger {
  const write =
    (level: string) =>
    (message: string, fields?: Record<string, unknown>): void =>
      void lines.push({ level, message, ...fields });
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** A promise and what resolves it. */
export function gate(): { open: () => void; opened: Promise<void> } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}
