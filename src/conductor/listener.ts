import { onAbort } from "../core/abort.ts";
import { idleSleep } from "../core/sleep.ts";
import type { PostgresClient } from "../types/conductor.ts";
import type { ConductorDatabase } from "./database.ts";

/** What processes tell each other of executions. */
export interface News {
  /** This execution has ended. */
  ended?: string;
  /** This one, which runs, is to be cancelled. */
  cancel?: string;
  /** A note was put beside this one, which runs. */
  noted?: string;
}

/** The channel that news go over. */
export const CHANNEL = "orchestrator_tasks";

/** One connection that listens for as long as somebody wants to know. */
export interface Listener {
  /**
   * @param onNews told of everything that happens from when `ready` resolves
   * @param onGap told when the connection was lost and is back: look again
   */
  subscribe(
    onNews: (news: News) => void,
    onGap: () => void,
  ): { ready: Promise<void>; off: () => void };
}

interface Subscriber {
  onNews: (news: News) => void;
  onGap: () => void;
}

interface Connection {
  ready: Promise<void>;
  stop: AbortController;
}

/** Between two attempts to listen again. */
const RETRY_MS = 250;

/** A listener that connects for the first who wants to know, and lets go after the last. */
export function createListener(database: ConductorDatabase): Listener {
  const subscribers = new Set<Subscriber>();
  let connection: Connection | undefined;
  const onNews = (news: News): void => subscribers.forEach((one) => one.onNews(news));
  const onGap = (): void => subscribers.forEach((one) => one.onGap());
  return {
    subscribe(news, gap) {
      const subscriber = { onNews: news, onGap: gap };
      subscribers.add(subscriber);
      connection ??= connect(database, onNews, onGap);
      return {
        ready: connection.ready,
        off() {
          if (!subscribers.delete(subscriber) || subscribers.size > 0) return;
          connection?.stop.abort();
          connection = undefined;
        },
      };
    },
  };
}

function connect(
  database: ConductorDatabase,
  onNews: (news: News) => void,
  onGap: () => void,
): Connection {
  const stop = new AbortController();
  let first = true;
  const ready = new Promise<void>((resolve) => {
    const listening = (): void => {
      if (!first) onGap();
      first = false;
      resolve();
    };
    void (async () => {
      while (!stop.signal.aborted) {
        await listen(database, onNews, listening, stop.signal).catch(() => undefined);
        await idleSleep(RETRY_MS, stop.signal);
      }
      resolve();
    })();
  });
  return { ready, stop };
}

/** Listens until the connection is lost or the signal aborts. */
async function listen(
  database: ConductorDatabase,
  onNews: (news: News) => void,
  onListening: () => void,
  signal: AbortSignal,
): Promise<void> {
  const client: PostgresClient = await (await database.pool()).connect();
  let lost = (): void => undefined;
  const over = new Promise<void>((resolve) => (lost = resolve));
  const onNotification = ({ channel, payload }: { channel: string; payload?: string }): void => {
    if (channel === CHANNEL && payload) onNews(newsOf(payload));
  };
  const off = onAbort(signal, lost);
  client.on("error", lost);
  client.on("end", lost);
  client.on("notification", onNotification);
  try {
    await client.query(`listen ${CHANNEL}`);
    onListening();
    await over;
  } finally {
    off();
    client.off("notification", onNotification);
    client.off("end", lost);
    client.off("error", lost);
    // Closed rather than kept: it would go on to listen.
    client.release(true);
  }
}

/** News, or none: everybody on the database may say something on the channel. */
function newsOf(payload: string): News {
  try {
    return { ...(JSON.parse(payload) as News) };
  } catch {
    return {};
  }
}
