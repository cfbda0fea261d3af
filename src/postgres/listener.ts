import type { Client } from "pg";
import { backoff } from "../core/backoff.ts";
import { sleep } from "../core/sleep.ts";

/** Notifications on one connection, which is made anew when it is lost. */
export interface Listener {
  /**
   * Calls back with each payload on a channel, until the returned function is called.
   *
   * @param onGap called whenever notifications may be missing: when listening has begun, which is soon after
   *   the call, and each time that the connection was lost and is back
   */
  listen(channel: string, onPayload: (payload: string) => void, onGap: () => void): () => void;
  close(): Promise<void>;
}

/** What a listener is made of, and whom it tells. */
export interface ListenerOptions {
  /** A client that has not connected yet. */
  makeClient: () => Client;
  /** Told once when the connection is lost, or cannot be made. */
  onLost: (error: Error) => void;
  /** Told when it is there again. */
  onBack: () => void;
}

interface Subscription {
  onPayload: (payload: string) => void;
  onGap: () => void;
}

/** How often the connection is asked whether it lives, and how long it may think. */
const CHECK_MS = 15_000;

/** Listens on a connection of its own, which is there for as long as somebody listens. */
export function createListener({ makeClient, onLost, onBack }: ListenerOptions): Listener {
  const channels = new Map<string, Set<Subscription>>();
  const closing = new AbortController();
  /** The connection that listens; absent while there is none. */
  let current: Connection | undefined;
  let running: Promise<void> | undefined;

  const wanted = (): boolean => channels.size > 0 && !closing.signal.aborted;

  /** Connects, and again whenever the connection is lost, while somebody listens. */
  async function run(): Promise<void> {
    let failures = 0;
    while (wanted()) {
      const connection = makeConnection(makeClient());
      const { client, destroy } = connection;
      closing.signal.addEventListener("abort", destroy);
      try {
        await client.connect();
        client.on("notification", ({ channel, payload = "" }) => {
          for (const { onPayload } of channels.get(channel) ?? []) onPayload(payload);
        });
        current = connection;
        const end = lostOrDead(connection);
        const begun = [...channels.keys()].map((channel) => begin(connection, channel));
        await Promise.race([Promise.all(begun), end]);
        if (failures > 0) onBack();
        failures = 0;
        throw await end;
      } catch (error) {
        if (wanted() && ++failures === 1) onLost(error as Error);
      }
      closing.signal.removeEventListener("abort", destroy);
      current = undefined;
      destroy();
      if (wanted()) await sleep(20 + backoff(failures, { base: 50, max: 1000 }), closing.signal);
    }
    running = undefined;
  }

  /** Listens on a channel of a connection that is there; where that fails, all is connected anew. */
  async function begin({ execute, destroy }: Connection, channel: string): Promise<void> {
    try {
      await execute(`LISTEN ${quoted(channel)}`);
    } catch {
      return destroy();
    }
    for (const { onGap } of channels.get(channel) ?? []) onGap();
  }

  return {
    listen(channel, onPayload, onGap) {
      const subscription: Subscription = { onPayload, onGap };
      const others = channels.get(channel);
      if (others) {
        others.add(subscription);
        // What comes from now on is heard; where it is not heard yet, `begin` will tell.
        if (current) queueMicrotask(() => others.has(subscription) && onGap());
      } else {
        channels.set(channel, new Set([subscription]));
        if (current) void begin(current, channel);
      }
      running ??= run();
      return () => {
        const left = channels.get(channel);
        if (!left?.delete(subscription) || left.size > 0) return;
        channels.delete(channel);
        if (channels.size > 0)
          current?.execute(`UNLISTEN ${quoted(channel)}`).catch(() => undefined);
        else {
          current?.destroy();
          current = undefined;
        }
      };
    },
    async close() {
      closing.abort();
      await running;
    },
  };
}

/** A connection, on which one statement follows another. */
interface Connection {
  client: Client;
  execute(statement: string): Promise<unknown>;
  /** Resolves when it has ended, with the reason. */
  over: Promise<Error>;
  destroy: () => void;
}

function makeConnection(client: Client): Connection {
  let last: Promise<unknown> = Promise.resolve();
  return {
    client,
    execute(statement) {
      const turn = last.then(() => client.query(statement));
      last = turn.catch(() => undefined);
      return turn;
    },
    over: new Promise((resolve) => {
      client.on("error", resolve);
      client.on("end", () => resolve(new Error("the connection ended")));
    }),
    destroy: () => void client.connection.stream.destroy(),
  };
}

/** Resolves when a connection has ended, or does not answer any more. */
async function lostOrDead({ execute, over }: Connection): Promise<Error> {
  let asked = false;
  let dead = (_error: Error): void => undefined;
  const silent = new Promise<Error>((resolve) => (dead = resolve));
  const timer = setInterval(() => {
    if (asked) return dead(new Error(`no answer within ${CHECK_MS} ms`));
    asked = true;
    execute("SELECT 1").then(() => (asked = false), dead);
  }, CHECK_MS);
  timer.unref();
  try {
    return await Promise.race([over, silent]);
  } finally {
    clearInterval(timer);
  }
}

/** A name as an identifier of SQL. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
