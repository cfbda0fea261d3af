import type { createWorld } from "workflow/runtime";
import type { DifferenceName } from "./differences.ts";

/** The engine's World. */
export type World = ReturnType<typeof createWorld>;

/** What a queue handler is told beside the message. */
export interface Delivery {
  attempt: number;
  queueName: string;
  messageId: string;
}

/** Handles a message; `timeoutSeconds` asks for another delivery after that time. */
export type MessageHandler = (
  message: unknown,
  delivery: Delivery,
) => Promise<void | { timeoutSeconds: number }>;

/** A World under test, with its queue's two handlers bound. */
export interface Subject {
  /** The World in use; another object after `reopen`. */
  readonly world: World;
  /** Handles the messages of one queue; those of other queues are taken and forgotten. */
  handle(queueName: string, handler: MessageHandler): void;
  /** Breaks the connection of the next delivery to a queue, or, where there is none, its handler. */
  sever(queueName: string): void;
  /** The handler as the engine would mount it on its route. */
  readonly flow: (request: Request) => Promise<Response>;
}

export type Check = (subject: Subject) => Promise<void>;

/** One sentence of the contract, and how to see that a World keeps it. */
export interface Rule {
  title: string;
  check: Check;
  /** What Worlds do instead that are known to differ, so that a change of theirs is seen too. */
  differences: Partial<Record<DifferenceName, Check>>;
}

/** Prepares a World for a restart, and says how to see afterwards that the rule was kept. */
export type Preparation = (subject: Subject) => Promise<Check>;

/** A rule about a restart. All are prepared before one restart, as restarts take long. */
export interface RestartRule {
  title: string;
  prepare: Preparation;
  differences: Partial<Record<DifferenceName, Preparation>>;
}

export function rule(
  title: string,
  check: Check,
  differences: Partial<Record<DifferenceName, Check>> = {},
): Rule {
  return { title, check, differences };
}

export function restartRule(
  title: string,
  prepare: Preparation,
  differences: Partial<Record<DifferenceName, Preparation>> = {},
): RestartRule {
  return { title, prepare, differences };
}
