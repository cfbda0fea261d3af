import { idleSleep } from "../core/sleep.ts";
import type { PostgresClient, PostgresPool } from "../types/conductor.ts";

/** A pool as long as it is lent. */
export interface PoolLease {
  pool: PostgresPool;
  /**
   * From now on its queries do nothing and answer no rows; resolves when those under way are done, or after a few
   * seconds.
   */
  end(): Promise<void>;
}

/** How long the end waits for queries under way. */
const END_MS = 5000;

/**
 * Lends a pool to something that goes on with it after its end: graphile-worker does so for as long as it gathers
 * what it has done, when the pool may be closed already.
 */
export function lendPool(pool: PostgresPool): PoolLease {
  const out = new Set<PostgresClient>();
  const over = new AbortController();
  let ended = false;
  const lend = (client: PostgresClient): PostgresClient => {
    out.add(client);
    const release = (error?: boolean): void => {
      if (!out.delete(client)) return;
      client.release(error);
      if (ended && out.size === 0) over.abort();
    };
    return new Proxy(client, {
      get(target, key) {
        if (key === "release") return release;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  const connect = async (): Promise<PostgresClient> => {
    if (ended) return nobody;
    const client = await pool.connect();
    if (!ended) return lend(client);
    client.release();
    return nobody;
  };
  type Callback = (error: unknown, client?: PostgresClient, release?: () => void) => void;
  const lent = {
    connect(callback?: Callback) {
      if (!callback) return connect();
      connect().then(
        (client) => callback(undefined, client, () => client.release()),
        (error: unknown) => callback(error),
      );
      return undefined;
    },
  };
  return {
    pool: new Proxy(pool, {
      get(target, key) {
        if (key === "connect") return lent.connect;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    async end() {
      ended = true;
      if (out.size > 0) await idleSleep(END_MS, over.signal);
    },
  };
}

const nobody: PostgresClient = {
  query: () => Promise.resolve({ rows: [] }),
  on: () => undefined,
  off: () => undefined,
  release: () => undefined,
};
Object.assign(nobody, { removeListener: () => undefined });
