import { keys, lastPart } from "./keys.ts";
import { type Message, messageWrites, WAKE_UP, wakeUp } from "./messages.ts";
import type { Records } from "./records.ts";
import type { Store, Write } from "./store.ts";

/** Changes in one transaction. */
const MAX_WRITES = 500;

/**
 * Makes whole what the death of a process has cut off. Messages stay stored until they have been dealt with, so what
 * was in flight is delivered again by itself; this sees to three things more:
 * - a run that has not ended and has no wake-up, because it waits for steps or a hook, gets one, due now;
 * - a message that an event has caused, and that nobody is left to queue, is due now;
 * - the message of a step that was executing counts one more delivery, so that a step which kills its process
 *   ends after the engine's 48 deliveries, although no attempt of its own is used up.
 */
export async function recover(
  store: Store,
  records: Records,
  now: () => number,
  ulid: () => string,
): Promise<void> {
  let writes: Write[] = [];
  for (const runId of [...activeRuns(store, "pending"), ...activeRuns(store, "running")]) {
    const run = records.run(runId);
    const key = keys.message(runId, WAKE_UP);
    if (run && !store.get(key)) {
      const message = due(wakeUp(run, undefined, `msg_${ulid()}`, now()), now());
      writes.push(...messageWrites(key, undefined, message));
    }
    for (const { key: stored, value } of store.range<Message>({ prefix: keys.messages(runId) })) {
      const { stepId } = value.payload;
      const executing =
        typeof stepId === "string" && records.step(runId, stepId)?.status === "running";
      if (!executing && !value.expected) continue;
      const next = { ...due(value, now()), attempt: value.attempt + (executing ? 1 : 0) };
      writes.push(...messageWrites(stored, value, next));
    }
    if (writes.length < MAX_WRITES) continue;
    await store.write(writes);
    writes = [];
  }
  if (writes.length > 0) await store.write(writes);
}

function due(message: Message, time: number): Message {
  const { expected: _, ...rest } = message;
  return { ...rest, due: time };
}

/** Read to the end before anything is written, as a range must not stay open. */
function activeRuns(store: Store, status: string): string[] {
  return [...store.range({ prefix: keys.runList({ status }) })].map(({ key }) => lastPart(key));
}
