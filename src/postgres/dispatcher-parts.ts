import type { QueueHandlers } from "../core/queue-handlers.ts";
import type { Database } from "./database.ts";
import type { Delivery } from "./deliveries.ts";
import type { Claim, Messages, NewMessage } from "./messages.ts";

/** Delivers the messages of the table in this process. */
export interface Dispatcher {
  /** Whether a message that is stored now could be delivered here at once; it then has a place, until `settled`. */
  reserve(message: Pick<NewMessage, "kind" | "queueName">): boolean;
  /** Gives back the place of a message that could not be held. */
  release(kind: NewMessage["kind"]): void;
  /** Delivers what is held and has a place. */
  deliver(claim: Claim): void;
  /** What is held under a key and is not yet dealt with. */
  underWay(key: string): Delivery | undefined;
  /** Looks for messages that are due, as soon as there is a place. */
  look(): void;
  /** Looks at a time for messages that are due. */
  schedule(delayMs: number): void;
  start(): void;
  /** Takes nothing any more; what is under way goes on. */
  drain(): void;
  /** Hands back what is still under way. */
  stop(): Promise<void>;
  /** Deliveries under way, and milliseconds until the next is due. */
  counts(): { delivering: number; nextDue: number | undefined };
}

/** What a dispatcher needs. */
export interface DispatcherOptions {
  database: Pick<Database, "listen" | "losses">;
  messages: Messages;
  handlers: QueueHandlers;
  /** Deliveries of a kind at once. */
  limits: Record<Place, number>;
  retryDelay: (attempt: number) => number;
  /** Makes a wake-up of a delayed one. */
  wake: (claim: Claim) => Promise<void>;
  /** Has the run of a message go on. */
  wakeRun: (claim: Claim) => Promise<void>;
}

/** What deliveries take a place of. */
export type Place = "flows" | "steps";

/** What a delivery of a kind takes a place of. */
export function placeOf(kind: NewMessage["kind"]): Place {
  return kind === "flow" ? "flows" : "steps";
}
