import { keys, lastPart } from "./keys.ts";
import { type Message, messageWrites, WAKE_UP, wakeUp } from "./messages.ts";
import type { Records } from "./records.ts";
import type { Store, Write } from "./store.ts";

/** Changes in one transaction. */
const MAX_WRITES = 500;

/**
 * Makes whole what the death of a process has cut off. Messages stay stored until they have been dealt with, so what
 * was in flight is delivered again by itself; this sees to two things more:
 * - a run that has not ended and has no wake-up, because it waits for steps or a hook, gets one, due now;
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
  const flush = async (atLeast: number): Promise<void> => {
    if (writes.length < atLeast) return;
    const batch = writes;
    writes = [];
    await store.write(batch);
  };
  for (const status of ["pending", "running"]) {
    for (const runId of activeRuns(store, status)) {
      const run = records.run(runId);
      const key = keys.message(runId, WAKE_UP);
      if (run && !store.get(key)) {
        const message = { ...wakeUp(run, undefined, `msg_${ulid()}`, now()), due: now() };
        writes.push(...messageWrites(key, undefined, message));
      }
      for (const { key: stepKey, value } of store.range<Message>({ prefix: keys.messages(runId) })) {
        const { stepId } = value.payload;
        const executing =
          typeof stepId === "string" && records.step(runId, stepId)?.status === "running";
        if (!executing) continue;
        const next = { ...value, attempt: value.attempt + 1, due: now() };
        writes.push(...messageWrites(stepKey, value, next));
      }
      await flush(MAX_WRITES);
    }
  }
  await flush(1);
}

/** Read to the end before anything is written, as a range must not stay open. */
function activeRuns(store: Store, status: string): string[] {
  return [...store.range({ prefix: keys.runList({ status }) })].map(({ key }) => lastPart(key));
}
