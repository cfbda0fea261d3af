import type { MessageHandler, Subject, World } from "./rule.ts";
import type { Fixture } from "./suite.ts";

/** A World under test that is open. */
export interface Opened {
  subject: Subject;
  /** Closes the World and opens another on the same data, as a restart does. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** Binds the queue's handlers to a World as the engine does, before it is started, and starts it. */
export async function openSubject(fixture: Fixture): Promise<Opened> {
  const handlers = new Map<string, MessageHandler>();
  const severed = new Set<string>();
  // A message of no rule's, such as the wake-up of another rule's run at a restart, is just taken.
  const deliver = async (
    message: unknown,
    delivery: { attempt: number; queueName: string; messageId: string },
  ) => {
    if (severed.delete(delivery.queueName)) {
      throw broken();
    }
    return handlers.get(delivery.queueName)?.(message, delivery);
  };
  const severable = (handler: Subject["flow"]) => async (request: Request) => {
    const cut = severed.delete(request.headers.get("x-vqs-queue-name") ?? "");
    return cut ? new Response(brokenBody()) : handler(request);
  };
  let world: World;
  let flow: Subject["flow"];
  const start = async (next: World) => {
    world = next;
    flow = world.createQueueHandler("__wkf_workflow_", deliver as never);
    const step = world.createQueueHandler("__wkf_step_", deliver as never);
    fixture.mount?.("flow", severable(flow));
    fixture.mount?.("step", severable(step));
    await world.start?.();
  };
  await start(fixture.world);
  return {
    subject: {
      get world() {
        return world;
      },
      get flow() {
        return flow;
      },
      handle(queueName, handler) {
        handlers.set(queueName, handler);
      },
      sever(queueName) {
        severed.add(queueName);
      },
    },
    async reopen() {
      await start(await fixture.reopen());
    },
    close: () => fixture.close(),
  };
}

function broken(): Error {
  return new Error("a conformance rule breaks this delivery on purpose");
}

/** An answer that begins and never ends: its server can only drop the connection. */
function brokenBody(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("{"));
      setTimeout(() => controller.error(broken()), 20);
    },
  });
}
