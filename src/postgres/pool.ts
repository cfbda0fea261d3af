import type { ClientBase, Pool, PoolClient, PoolConfig } from "pg";
import { backoff } from "../core/backoff.ts";
import { isOutage, noteOutage } from "../core/outage.ts";
import { sleep } from "../core/sleep.ts";
import type { Pg } from "./package.ts";

/** What is tried again while Postgres is away, and for how long. */
export interface Patience {
  /** Milliseconds since the first failure after which it fails for good. */
  limit: number;
  signal: AbortSignal;
}

/** How long a connection may take to be made. */
const CONNECT_MS = 10_000;

/** Errors of connections that broke, or could not be made, without a word from the server. */
const broken = new WeakSet<object>();

/**
 * A pool whose statements survive restarts of Postgres, whoever uses it; the engine does too. Tried again is
 *
 * - a connection that cannot be made, as nothing has been sent: refused, reset, timed out, or answered with
 *   `57P01`, `57P02`, `57P03` (stopping, crashed, starting) or `53300` (too many connections);
 * - a single statement that the server ended with `57P01`, as it is stopping: that rolls it back.
 *
 * Not tried again is a statement whose connection broke before its answer came, since it may have been
 * executed; nor one of a connection that was taken out of the pool, since others may have come before it.
 */
export function createPool(pg: Pg, config: PoolConfig, patience: Patience): Pool {
  const pool = new pg.Pool({
    ...config,
    Client: watchfulClient(pg),
    // The engine keeps times without a zone, by the clock of the session, and reads them as of UTC.
    onConnect: (client: ClientBase) => client.query("SET TIME ZONE 'UTC'"),
  } as PoolConfig);
  // A connection that breaks while nobody uses it is replaced when somebody needs one.
  pool.on("error", (error) => void broken.add(error));
  // One that breaks while it is used is told of by the statement; without a listener it would end the process.
  pool.on("connect", (client) => client.on("error", (error) => broken.add(error)));
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>;
  const connectPatiently = (): Promise<PoolClient> => patiently(connect, isAway, patience);
  type Taken = (error?: unknown, client?: PoolClient, done?: (release?: unknown) => void) => void;
  pool.connect = ((taken?: Taken) => {
    if (!taken) return connectPatiently();
    connectPatiently().then(
      (client) => taken(undefined, client, client.release as (release?: unknown) => void),
      (error: unknown) => taken(error, undefined, () => undefined),
    );
    return undefined;
  }) as Pool["connect"];
  pool.query = ((...args: unknown[]) => {
    const [statement] = args as [{ submit?: unknown } | string];
    const others = typeof args.at(-1) === "function" || (statement as { submit?: unknown }).submit;
    return others ? query(...args) : patiently(() => query(...args), wasRolledBack, patience);
  }) as Pool["query"];
  return pool;
}

/** Tries until it succeeds, fails otherwise than the condition says, or patience is over. */
export async function patiently<T>(
  attempt: () => Promise<T>,
  again: (error: unknown) => boolean,
  { limit, signal }: Patience,
): Promise<T> {
  let until: number | undefined;
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      until ??= Date.now() + limit;
      if (signal.aborted || !again(error) || isOutage(error)) throw error;
      if (Date.now() < until) {
        // Whoever waits for the statement may be all that keeps the process alive.
        await sleep(20 + backoff(failures, { base: 50, max: 1000 }), signal);
        if (!signal.aborted) continue;
      } else noteOutage(error);
      throw error;
    }
  }
}

/** Whether an error says that the server is not there now, and nothing was sent to it. */
export function isAway(error: unknown): boolean {
  return awayCodes.has(codeOf(error)) || isBroken(error);
}

/** Whether an error says that a connection broke in use, which leaves open what became of its statement. */
export function isBroken(error: unknown): boolean {
  return broken.has(error as object);
}

/** Whether an error says that the server ended a statement, and nothing of it is left. */
export function wasRolledBack(error: unknown): boolean {
  return codeOf(error) === "57P01";
}

/** The code of an error of Postgres or of a socket; empty where it has none. */
export function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? "");
}

// Among them a name server that is away, and the missing file of a Unix socket.
const awayCodes = new Set(
  "ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH EAI_AGAIN ENOENT 57P01 57P02 57P03 53300".split(
    " ",
  ),
);

/** Clients that are given up after a time, and note when a connection ended before it was made. */
export function watchfulClient(pg: Pg): Pg["Client"] {
  return class extends pg.Client {
    constructor(config?: ConstructorParameters<Pg["Client"]>[0]) {
      super({ ...(config as object), connectionTimeoutMillis: CONNECT_MS });
      type Connected = (error?: Error | null) => void;
      const connect = this.connect.bind(this) as (connected: Connected) => void;
      const noted = (connected: Connected): void =>
        connect((error) => {
          // What a server refuses has a code. What we refuse, such as to go on without a password, has none either.
          const ended = (this.connection.stream as { destroyed?: boolean }).destroyed;
          if (error && ended && codeOf(error) === "") broken.add(error);
          connected(error);
        });
      this.connect = ((connected?: Connected) => {
        if (connected) return noted(connected);
        return new Promise<unknown>((resolve, reject) => {
          noted((error) => (error ? reject(error) : resolve(this)));
        });
      }) as typeof this.connect;
    }
  };
}
