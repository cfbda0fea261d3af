import { OrchestratorError } from "../core/errors.ts";
import { sleep } from "../core/sleep.ts";
import type { PostgresClient, PostgresPool } from "../types/conductor.ts";
import { importPg } from "./packages.ts";

/** Runs one statement and answers with its rows. */
export type Query = <Row>(text: string, values?: unknown[]) => Promise<Row[]>;

/** The Postgres of a conductor. */
export interface ConductorDatabase {
  /** The pool, connected to nothing yet. */
  pool(): Promise<PostgresPool>;
  /** One statement. Where Postgres is away, it is waited for. */
  query: Query;
  /** Several statements, all or none of them. Where Postgres is away, it is waited for. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Opens a database on first use; a pool that is given is not closed with it. */
export function openConductorDatabase(options: {
  connectionString?: string;
  pool?: PostgresPool;
  /**
   * Milliseconds that a statement waits for a Postgres that is away, as it is while it is restarted.
   * @default 30000
   */
  patience?: number;
  onPoolError: (error: Error) => void;
}): ConductorDatabase {
  const { connectionString, patience = 30_000, onPoolError } = options;
  let opening: Promise<PostgresPool> | undefined;
  let guard: (() => void) | undefined;
  let closed = false;
  // Those that are being closed are lost on purpose.
  const onError = (error: Error): void => void (closed || onPoolError(error));
  const open = async (): Promise<PostgresPool> => {
    const pool = options.pool ?? (await createPool(connectionString as string));
    guard = catchErrors(pool, onError);
    return pool;
  };
  const pool = (): Promise<PostgresPool> => {
    if (closed) throw new OrchestratorError("INVALID_STATE", "The conductor was closed");
    opening ??= open();
    // One that failed, as where `pg` is not there, is not what the next call gets.
    opening.catch(() => (opening = undefined));
    return opening;
  };
  return {
    pool,
    query: async <Row>(text: string, values?: unknown[]) =>
      patiently(patience, async () => (await (await pool()).query(text, values)).rows as Row[]),
    transaction: (work) =>
      patiently(patience, async () => {
        const client = await (await pool()).connect();
        return inTransaction(client, work);
      }),
    async close() {
      if (closed) return;
      const opened = opening;
      closed = true;
      const ours = await opened?.catch(() => undefined);
      // A pool of ours stays guarded: connections that are being closed may still fail.
      if (options.pool) guard?.();
      else await ours?.end();
    },
  };
}

async function inTransaction<T>(
  client: PostgresClient,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  let broken = true;
  try {
    await client.query("begin");
    const result = await work(
      async <Row>(text: string, values?: unknown[]) =>
        (await client.query(text, values)).rows as Row[],
    );
    await client.query("commit");
    broken = false;
    return result;
  } catch (error) {
    // What cannot even roll back is a connection that is gone.
    await client.query("rollback").then(
      () => (broken = false),
      () => undefined,
    );
    throw error;
  } finally {
    client.release(broken);
  }
}

async function patiently<T>(patience: number, work: () => Promise<T>): Promise<T> {
  const until = performance.now() + patience;
  for (let wait = 50; ; wait = Math.min(wait * 2, 1000)) {
    try {
      return await work();
    } catch (error) {
      if (!isAway(error) || performance.now() + wait > until) throw error;
      await sleep(wait);
    }
  }
}

const awayCodes: ReadonlySet<unknown> = new Set(
  "57P01 57P02 57P03 53300 40001 40P01 25006 ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH ENOTFOUND EAI_AGAIN".split(
    " ",
  ),
);

/** Whether the same statement may succeed a little later. */
export function isAway(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (awayCodes.has(code) || (typeof code === "string" && code.startsWith("08"))) return true;
  // `pg` itself says so without a code.
  return (
    code === undefined &&
    /^(Connection terminated|Client has encountered a connection error|timeout (expired|exceeded))/.test(
      String(message),
    )
  );
}

/** A connection that breaks is an event without a listener otherwise, which ends the process. */
function catchErrors(pool: PostgresPool, onError: (error: Error) => void): () => void {
  const ignore = (): void => undefined;
  const acquired = (client: PostgresClient): void => void client.on("error", ignore);
  const released = (_: unknown, client: PostgresClient): void => void client.off("error", ignore);
  pool.on("error", onError);
  // graphile-worker warns of a pool without it.
  pool.on("connect", ignore);
  pool.on("acquire", acquired);
  pool.on("release", released);
  return () => {
    pool.off("error", onError);
    pool.off("connect", ignore);
    pool.off("acquire", acquired);
    pool.off("release", released);
  };
}

async function createPool(connectionString: string): Promise<PostgresPool> {
  const { default: pg } = await importPg();
  // An idle connection must not keep a process alive that is done.
  return new pg.Pool({
    connectionString,
    // What Postgres lists it as, where the URL has no name for it.
    fallback_application_name: "orchestrator",
    allowExitOnIdle: true,
    // What lies between may forget a connection without a word.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: 10_000,
  });
}
