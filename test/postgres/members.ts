import type { MessageHandler } from "../../src/core/queue-requests.ts";
import { createMessages, type Messages } from "../../src/postgres/messages.ts";
import { createPresence } from "../../src/postgres/presence.ts";
import { createQueue, type PostgresQueue } from "../../src/postgres/queue.ts";
import type { TestDatabases } from "./support.ts";

/** What stands for a process: it shares nothing with others but the database. */
export interface Member {
  queue: PostgresQueue;
  leave(): Promise<void>;
}

/** Processes of a test, which leave with it. */
export interface TestMembers {
  /** @param around what is put around the statements about messages */
  join(
    handler: MessageHandler,
    limits?: { flows: number; steps: number },
    around?: (messages: Messages) => Messages,
  ): Member;
  leaveAll(): Promise<void>;
}

/** Has members join the queue of a database, with a handler for all messages. */
export function testMembers(databases: TestDatabases, url: () => string): TestMembers {
  const members: Member[] = [];
  return {
    join(handler, limits = { flows: 8, steps: 8 }, around = (messages) => messages) {
      const own = databases.open({ url: url() });
      const presence = createPresence(own);
      const queue = createQueue({
        database: own,
        messages: around(createMessages(own, presence.id)),
        limits,
        retryDelay: () => 50,
      });
      queue.createQueueHandler("__wkf_", handler);
      presence.start();
      queue.start();
      const member = {
        queue,
        async leave() {
          await queue.stop();
          presence.stop();
        },
      };
      members.push(member);
      return member;
    },
    async leaveAll() {
      await Promise.all(members.splice(0).map((member) => member.leave()));
    },
  };
}

export const flow = "__wkf_workflow_w";
export const step = "__wkf_step_s";

/** A message for a step. */
export const stepOf = (stepId: string, workflowRunId = "wrun_1"): object => ({
  workflowName: "w",
  workflowRunId,
  workflowStartedAt: 1,
  stepId,
});
