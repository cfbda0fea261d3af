import type { Pool } from "pg";
import { OrchestratorError } from "../core/errors.ts";
import { createListener, type Listener } from "./listener.ts";
import { requirePg } from "./package.ts";
import { codeOf, createPool, isBroken, patiently, wasRolledBack, watchfulClient } from "./pool.ts";

/** Executes one statement and answers with its rows. */
export type Query = <Row = Record<string, unknown>>(
  text: string,
  values?: readonly unknown[],
) => Promise<Row[]>;

/** What processes share on one Postgres. It survives that Postgres restarts; `pool.ts` says what is tried again. */
export interface Database extends Listener {
  /** Its connections, for code that brings its own statements; they are tried again in the same way. */
  pool: Pool;
  /**
   * Executes one statement.
   *
   * @param options.repeatable whether it does no harm to execute it twice, so that it is tried again
   *   also where its connection broke before the answer came
   */
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: { repeatable?: boolean },
  ): Promise<Row[]>;
  /**
   * Executes statements in one transaction, which is committed when the work resolves and rolled back when it
   * rejects. The work is done again where the connection broke before the commit was sent, the server stopped,
   * or another transaction was in the way (`40001`, `40P01`): it must change nothing but through `query`.
   */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** Tells all who listen on a channel; at most 7,999 bytes. */
  notify(channel: string, payload: string): Promise<void>;
  /** False from when the connection that listens is lost until it is back. */
  reachable(): boolean;
  /** How often that connection has been lost, which is what a crash of Postgres looks like too. */
  losses(): number;
  close(): Promise<void>;
}

/** How a database is opened. */
export interface DatabaseOptions {
  /** Such as `postgres://user:password@localhost:5432/app`. */
  url: string;
  /** Where the URL is from, for the error that says that it is none. @default "url" */
  name?: string;
  /** Connections in the pool; the one that listens comes on top. @default 10 */
  max?: number;
  /** Milliseconds for which a statement is tried again while Postgres is away. @default 30_000 */
  patience?: number;
  /** Told once when Postgres goes away and once when it is back. @default console.error */
  note?: (line: string) => void;
}

const PATIENCE_MS = 30_000;

/**
 * Opens a database; nothing is connected before the first statement.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, for what is no URL of Postgres, or where `pg` is missing
 */
export function openDatabase(options: DatabaseOptions): Database {
  const { url, max = 10, patience: limit = PATIENCE_MS, note = console.error } = options;
  const place = placeOf(url, options.name ?? "url");
  const pg = requirePg();
  const closing = new AbortController();
  const patience = { limit, signal: closing.signal };
  const config = {
    connectionString: url,
    fallback_application_name: "orchestrator",
    max,
    // What lies between may forget a connection without a word.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // Statements that do not wait for each other are sent together, where this version of `pg` can.
    pipeline: true,
  };
  const pool = createPool(pg, config, patience);
  const Client = watchfulClient(pg);
  let reachable = true;
  let losses = 0;
  const { listen, close } = createListener({
    makeClient: () => new Client(config),
    onLost({ message }) {
      reachable = false;
      losses++;
      note(`[orchestrator] Postgres at ${place} is away (${message})`);
    },
    onBack() {
      reachable = true;
      note(`[orchestrator] Postgres at ${place} is back`);
    },
  });
  let closed: Promise<void> | undefined;

  async function query<Row>(
    text: string,
    values: readonly unknown[] = [],
    { repeatable = false }: { repeatable?: boolean } = {},
  ): Promise<Row[]> {
    const execute = async (): Promise<Row[]> => (await pool.query(text, [...values])).rows as Row[];
    return repeatable ? patiently(execute, isBroken, patience) : execute();
  }

  return {
    pool,
    query,
    transaction: (work) => transaction(pool, work, patience),
    listen,
    async notify(channel, payload) {
      await query("SELECT pg_notify($1, $2)", [channel, payload], { repeatable: true });
    },
    reachable: () => reachable,
    losses: () => losses,
    close() {
      closed ??= (async () => {
        closing.abort();
        await close();
        await pool.end();
      })();
      return closed;
    },
  };
}

async function transaction<T>(
  pool: Pool,
  work: (query: Query) => Promise<T>,
  patience: Parameters<typeof patiently>[2],
): Promise<T> {
  let undone = false;
  const attempt = async (): Promise<T> => {
    undone = false;
    const client = await pool.connect();
    let lost = false;
    const onError = (): void => void (lost = true);
    client.on("error", onError);
    let committing = false;
    try {
      await client.query("BEGIN");
      const result = await work(
        async (text, values = []) => (await client.query(text, [...values])).rows,
      );
      committing = true;
      await client.query("COMMIT");
      return result;
    } catch (error) {
      undone = lost ? !committing : wasRolledBack(error) || inTheWay.has(codeOf(error));
      if (!lost) await client.query("ROLLBACK").catch(onError);
      throw error;
    } finally {
      client.off("error", onError);
      client.release(lost);
    }
  };
  return patiently(attempt, () => undone, patience);
}

/** Codes of a transaction that failed for another one. */
const inTheWay = new Set(["40001", "40P01"]);

/** Host and port, without the password. */
function placeOf(url: string, name: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed && /^postgres(?:ql)?:$/.test(parsed.protocol)) {
    return parsed.host || (parsed.searchParams.get("host") ?? "localhost");
  }
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `${name} must be a URL such as postgres://user:password@localhost:5432/app`,
  );
}
