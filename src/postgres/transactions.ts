import { AsyncLocalStorage } from "node:async_hooks";
import { Duplex, type Writable } from "node:stream";
import type { Pool, PoolClient } from "pg";
import { hasCause } from "../core/outage.ts";
import { codeOf, isAway } from "./pool.ts";

/** A pool for the engine's storage, whose statements can be made one transaction from outside. */
export interface StoragePool {
  pool: Pool;
  /**
   * Has all that the work asks of the pool done in one transaction, after some statements of ours, which are text
   * without parameters. It is committed when the work resolves, and rolled back when it rejects.
   *
   * @throws CommitUnknown where the commit failed, and NotCommitted where the connection broke before it
   */
  inTransaction<T>(begin: string, work: () => Promise<T>): Promise<T>;
  /** Executes a statement in the transaction that the caller is in. */
  query(text: string, values: readonly unknown[]): Promise<{ rows: unknown[] }>;
}

/** What a commit came to is not known. */
export class CommitUnknown extends Error {
  override name = "CommitUnknown";
}

/** Nothing of a transaction is left. */
export class NotCommitted extends Error {
  override name = "NotCommitted";
}

/** Whether something failed since Postgres is away or another transaction was in the way; the engine's storage wraps such errors. */
export function isOfDatabase(error: unknown): boolean {
  return hasCause(
    error,
    (one) =>
      one instanceof CommitUnknown ||
      one instanceof NotCommitted ||
      isAway(one) ||
      inTheWay.has(codeOf(one)),
  );
}

/** A process that stands still must not hold what others wait for. */
const SETTINGS = "SET LOCAL idle_in_transaction_session_timeout TO 10000;";

/** Codes of a transaction that failed for another one. */
const inTheWay = new Set(["40001", "40P01"]);

/**
 * Stands in for a pool, which the engine's World takes for its own.
 *
 * It executes some events as several statements one by one, so that a process which dies in between leaves a step
 * that has ended without its event, which no replay gets past; and it looks whether a token is free before it takes
 * it. Here its statements go to the connection of the transaction that an event is stored in, and the transactions
 * that it begins by itself are a part of that one.
 */
export function createStoragePool(inner: Pool): StoragePool {
  const current = new AsyncLocalStorage<PoolClient>();
  const options = { ...inner.options, connectionTimeoutMillis: 0, stream: () => new DeadEnd() };

  /** What the engine takes for a connection of its own; only the outer transaction begins and ends. */
  function nested(client: PoolClient): Pick<PoolClient, "query" | "release"> {
    return {
      query: ((statement: { text?: string } | string, ...rest: unknown[]) => {
        const text = typeof statement === "string" ? statement : statement.text;
        if (/^(?:begin|commit|rollback)$/i.test(text ?? "")) {
          return Promise.resolve({ rows: [], rowCount: 0 });
        }
        return send(client, statement, ...rest);
      }) as PoolClient["query"],
      release: () => undefined,
    };
  }

  const pool = new Proxy(inner, {
    get(target, property) {
      const client = current.getStore();
      // Its client that listens is made of the pool's options: it is to stay without a connection.
      if (property === "options") return options;
      if (client && property === "query") return send.bind(undefined, client);
      if (client && property === "connect") return async () => nested(client);
      const value = Reflect.get(target, property, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

  async function inTransaction<T>(begin: string, work: () => Promise<T>): Promise<T> {
    const client = await inner.connect();
    let broken: Error | undefined;
    const onError = (error: Error): void => void (broken ??= error);
    client.on("error", onError);
    let committing = false;
    let ended = false;
    try {
      // What the work asks is sent right behind, and fails where this does.
      const [begun, worked] = await Promise.allSettled([
        send(client, `BEGIN; ${SETTINGS} ${begin}`),
        current.run(client, work),
      ]);
      if (begun.status === "rejected") throw begun.reason;
      if (worked.status === "rejected") throw worked.reason;
      committing = true;
      await client.query("COMMIT");
      ended = true;
      return worked.value;
    } catch (cause) {
      if (committing) throw new CommitUnknown("a commit failed", { cause });
      if (broken) throw new NotCommitted("the connection broke", { cause });
      throw cause;
    } finally {
      if (!ended && !broken) await client.query("ROLLBACK").catch(onError);
      client.off("error", onError);
      client.release(broken);
    }
  }

  return {
    pool,
    inTransaction,
    query(text, values) {
      const client = current.getStore();
      if (!client) throw new Error("not in a transaction");
      return send(client, text, [...values]) as Promise<{ rows: unknown[] }>;
    },
  };
}

/** Sockets that wait for more statements of this turn. */
const corked = new WeakSet<Writable>();

/** Has a client execute a statement; those of one turn are sent in one, as each packet has its price. */
function send(client: PoolClient, ...args: unknown[]): unknown {
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection;
  if (!corked.has(stream)) {
    corked.add(stream);
    stream.cork();
    setImmediate(() => {
      corked.delete(stream);
      stream.uncork();
    });
  }
  return (client.query as (...args: unknown[]) => unknown)(...args);
}

/** A socket that never connects, and so never fails either. */
class DeadEnd extends Duplex {
  connect = (): this => this;
  setNoDelay = (): this => this;
  setKeepAlive = (): this => this;
  ref = (): this => this;
  unref = (): this => this;
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}
