import { encodeRequest, type MessageHandler } from "./queue-requests.ts";

/** Who handles the messages of which queues. */
export interface QueueHandlers {
  /** Has messages of queues whose names begin so handled. */
  add(prefix: string, handler: MessageHandler): void;
  /**
   * Has them handled by a `fetch`-like function, for as long as nothing else was added for the prefix; with
   * `always` also afterwards.
   */
  addRequest(
    prefix: string,
    handler: (request: Request) => Promise<Response>,
    options?: { always?: boolean },
  ): void;
  /** The handler of a queue, the one with the longest prefix of several. */
  of(queueName: string): MessageHandler | undefined;
  /** All prefixes that there are handlers for. */
  prefixes(): string[];
}

/** Nobody handles anything yet. */
export function createQueueHandlers(): QueueHandlers {
  const handlers = new Map<string, MessageHandler>();
  const requestHandlers = new Map<string, { handler: MessageHandler; always: boolean }>();
  return {
    add: (prefix, handler) => void handlers.set(prefix, handler),
    addRequest(prefix, handler, { always = false } = {}) {
      requestHandlers.set(prefix, {
        handler: (payload, meta) => encodeRequest(handler, payload, meta),
        always,
      });
    },
    of(queueName) {
      const byRequest = ofPrefix(requestHandlers, queueName);
      const direct = ofPrefix(handlers, queueName);
      if (!byRequest || !direct) return byRequest?.entry.handler ?? direct?.entry;
      // The more special one; of two for the same prefix the direct one, unless it is to give way.
      const lead = byRequest.length - direct.length;
      return lead > 0 || (lead === 0 && byRequest.entry.always)
        ? byRequest.entry.handler
        : direct.entry;
    },
    prefixes: () => [...new Set([...handlers.keys(), ...requestHandlers.keys()])],
  };
}

/** The entry whose key a queue's name begins with, of several that of the longest key, and that key's length. */
function ofPrefix<T>(
  entries: ReadonlyMap<string, T>,
  queueName: string,
): { entry: T; length: number } | undefined {
  let found: { entry: T; length: number } | undefined;
  for (const [prefix, entry] of entries) {
    const { length } = prefix;
    if (queueName.startsWith(prefix) && length > (found?.length ?? -1)) found = { entry, length };
  }
  return found;
}
