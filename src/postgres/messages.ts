import { randomUUID } from "node:crypto";
import type { Database } from "./database.ts";
import * as statements from "./message-statements.ts";
import { codeOf } from "./pool.ts";

/**
 * Messages in the table `orchestrator.messages`, until they have been dealt with.
 *
 * - A message has one row, known by its run and its name; a run's wake-ups share the one named `wake`.
 * - Whoever delivers it holds it by a token: `due` is then the end of the lease, and is moved on while the holder
 *   lives. So `due` alone says what is to be delivered, and a holder that died is found like a delay that is over;
 *   or earlier, as `keeper` is the process that holds it, and its presence is gone.
 * - Nothing is changed for a holder whose token is not the row's any more.
 * - `version` rises with what has to be delivered anew although a delivery is under way.
 */

/** Replays of a run follow one another, its steps run side by side; a `later` becomes a wake-up when it is due. */
export type MessageKind = "flow" | "step" | "later";

/** A message to be stored. */
export interface NewMessage {
  /** `-` for no run. */
  runId: string;
  name: string;
  kind: MessageKind;
  messageId: string;
  queueName: string;
  payload: string;
  /** Whether the payload says more than that the run is to go on. */
  carries: boolean;
  delayMs: number;
  /** Whether it is held by who stores it, to deliver it at once. */
  hold: boolean;
}

/** A message that is held here. */
export interface Claim {
  runId: string;
  name: string;
  kind: MessageKind;
  messageId: string;
  queueName: string;
  payload: string;
  attempt: number;
  version: number;
  token: string;
  /** Whether a holder before has died, or has handed it back, in the middle of a delivery. */
  cut: boolean;
  /** Attempts of the step that were cut off so, and count for none. */
  spared: number;
}

/** A message that is not delivered again before a time. */
export interface Postponed extends Pick<Claim, "runId" | "name" | "token" | "version"> {
  attempt: number;
  delayMs: number;
}

/** The statements about messages; each is one round trip for any number of them. */
export interface Messages {
  /**
   * Stores messages, all of other names. Answers with what is held of them now; a wake-up that another holds is
   * noted there, and of messages under one key there is the first.
   */
  put(messages: readonly NewMessage[]): Promise<Claim[]>;
  /** Holds messages that are due, the longest waiting first. */
  claim(limits: { flows: number; steps: number; prefixes: readonly string[] }): Promise<Claim[]>;
  /** Holds them for another lease; answers with those that are still held. */
  renew(claims: readonly Held[]): Promise<Set<string>>;
  /** Removes what has been dealt with; answers with what has to be delivered anew, which goes on being held. */
  done(claims: readonly (Held & { version: number })[]): Promise<Claim[]>;
  postpone(messages: readonly Postponed[]): Promise<void>;
  /** Lets go of messages in the middle of their delivery, for others to take at once. */
  handBack(claims: readonly Held[]): Promise<void>;
  /** Notes that one more attempt of a step was cut off. */
  spare(claim: Held, spared: number): Promise<void>;
  /** Has what a process holds that is not present any more be due now; answers how many. */
  reap(): Promise<number>;
  /** Milliseconds until the next message is due that nobody holds. */
  nextDue(): Promise<number | undefined>;
  /** Wakes runs that have no message at all; answers how many. */
  wakeIdle(runs: readonly Pick<NewMessage, "runId" | "messageId" | "queueName">[]): Promise<number>;
}

/** What a claim is known by. */
export type Held = Pick<Claim, "runId" | "name" | "token">;

/** What a claim is known by in this process. */
export function keyOf({ runId, name }: Pick<Claim, "runId" | "name">): string {
  return `${runId}/${name}`;
}

/**
 * The statements over a database.
 *
 * @param keeper the number of this process
 */
export function createMessages(database: Pick<Database, "query">, keeper: number): Messages {
  /** Each of these may be executed twice; and where two got in each other's way, one is. */
  async function query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await database.query<Row>(text, values, { repeatable: true });
      } catch (error) {
        if (codeOf(error) !== "40P01" || attempt === 5) throw error;
      }
    }
  }

  return {
    async put(messages) {
      const token = randomUUID();
      // In one order everywhere, so that two processes do not wait for each other.
      const sorted = messages.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
      const rows = await query<Claim | { name: null }>(statements.PUT, [
        sorted.map(({ runId }) => runId),
        sorted.map(({ name }) => name),
        sorted.map(({ kind }) => kind),
        sorted.map(({ messageId }) => messageId),
        sorted.map(({ queueName }) => queueName),
        sorted.map(({ payload }) => payload),
        sorted.map(({ carries }) => carries),
        sorted.map(({ delayMs }) => delayMs),
        sorted.map(({ hold }) => hold),
        token,
        keeper,
      ]);
      return rows.filter((row) => row.name !== null);
    },
    claim: ({ flows, steps, prefixes }) =>
      query<Claim>(statements.CLAIM, [flows, steps, prefixes, randomUUID(), keeper]),
    async renew(claims) {
      const rows = await query<{ runId: string; name: string }>(statements.RENEW, arraysOf(claims));
      return new Set(rows.map(keyOf));
    },
    async done(claims) {
      const arrays = [...arraysOf(claims), claims.map(({ version }) => version)];
      const removed = await query<{ runId: string; name: string }>(statements.REMOVE, arrays);
      if (removed.length === claims.length) return [];
      const gone = new Set(removed.map(keyOf));
      return query<Claim>(
        statements.AGAIN,
        arraysOf(claims.filter((claim) => !gone.has(keyOf(claim)))),
      );
    },
    async postpone(messages) {
      await query(statements.POSTPONE, [
        ...arraysOf(messages),
        messages.map(({ version }) => version),
        messages.map(({ attempt }) => attempt),
        messages.map(({ delayMs }) => delayMs),
      ]);
    },
    async handBack(claims) {
      await query(statements.HAND_BACK, arraysOf(claims));
    },
    async spare({ runId, name, token }, spared) {
      await query(statements.SPARE, [runId, name, token, spared]);
    },
    async reap() {
      return (await query(statements.REAP, [])).length;
    },
    async nextDue() {
      const [row] = await query<{ ms: number | null }>(statements.NEXT_DUE, []);
      return row?.ms ?? undefined;
    },
    async wakeIdle(runs) {
      const rows = await query(statements.WAKE_IDLE, [
        runs.map(({ runId }) => runId),
        runs.map(({ messageId }) => messageId),
        runs.map(({ queueName }) => queueName),
        runs.map(({ runId }) => JSON.stringify({ runId })),
      ]);
      return rows.length;
    },
  };
}

function arraysOf(claims: readonly Held[]): [string[], string[], string[]] {
  return [
    claims.map(({ runId }) => runId),
    claims.map(({ name }) => name),
    claims.map(({ token }) => token),
  ];
}
