import { expect } from "vitest";
import { newQueue, send, stepMessage } from "./messages.ts";
import { rule, type Rule, type Subject } from "./rule.ts";
import { newId, newRun, sleep, until } from "./support.ts";

/** Messages that stand for the same: under one idempotency key, or wake-ups of one run. */
export const keyRules: Rule[] = [
  rule("a key's second message is dropped while the first is handled", async (subject) => {
    const { seen, queueName, release } = await held(subject);
    const [message, idempotencyKey] = [stepMessage(), newId("key")];
    await send(subject, queueName, message, { idempotencyKey });
    await until(() => seen.length >= 1);
    await send(subject, queueName, message, { idempotencyKey });
    await send(subject, queueName, message, { idempotencyKey: newId("key") });
    await until(() => seen.length >= 2);
    release();
    await sleep(1500);
    expect(seen).toHaveLength(2);
  }),
  rule("messages that race under one key are delivered as one", async (subject) => {
    const { seen, queueName, release } = await held(subject);
    const [message, idempotencyKey] = [stepMessage(), newId("key")];
    const racers = Array.from({ length: 20 }, () =>
      send(subject, queueName, message, { idempotencyKey }),
    );
    await Promise.all(racers);
    await until(() => seen.length > 0);
    release();
    await sleep(1500);
    expect(seen).toHaveLength(1);
  }),
  rule(
    "one key in two runs is two, as a step's id is its run's own",
    async (subject) => {
      expect(await oneKeyInTwoRuns(subject)).toBe(2);
    },
    {
      "keys-global": async (subject) => {
        expect(await oneKeyInTwoRuns(subject)).toBe(1);
      },
    },
  ),
  rule("a key whose message is done may be used again", async (subject) => {
    expect(await useKeyTwice(subject)).toBe(2);
  }),
  rule("a wake-up queued while its run is replayed is not lost", async (subject) => {
    const { queueName, runId } = await runWithQueue(subject);
    let begun = 0;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const begins: number[] = [];
    subject.handle(queueName, async () => {
      begun += 1;
      begins.push(performance.now());
      await (begun === 1 ? held : undefined);
    });
    await send(subject, queueName, { runId });
    await until(() => begun === 1);
    const queuedAt = performance.now();
    await Promise.all(Array.from({ length: 3 }, () => send(subject, queueName, { runId })));
    release();
    await until(() => begins.some((time) => time > queuedAt));
  }),
  rule(
    "two wake-ups of one run are never handled at once",
    async (subject) => {
      expect(await mostAtOnce(subject)).toBe(1);
    },
    {
      "wake-ups-overlap": async (subject) => {
        expect(await mostAtOnce(subject)).toBeGreaterThan(1);
      },
    },
  ),
];

/** A queue whose handler holds every message until it is released. */
async function held(subject: Subject) {
  const queueName = newQueue("step");
  const seen: unknown[] = [];
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  subject.handle(queueName, async (message) => {
    seen.push(message);
    await released;
  });
  return { seen, queueName, release };
}

async function useKeyTwice(subject: Subject): Promise<number> {
  const queueName = newQueue("step");
  let handled = 0;
  subject.handle(queueName, async () => {
    handled += 1;
  });
  const [message, idempotencyKey] = [stepMessage(), newId("key")];
  await send(subject, queueName, message, { idempotencyKey });
  await until(() => handled >= 1);
  await sleep(300);
  await send(subject, queueName, message, { idempotencyKey });
  await sleep(1500);
  return handled;
}

async function oneKeyInTwoRuns(subject: Subject): Promise<number> {
  const { seen, queueName, release } = await held(subject);
  const idempotencyKey = newId("key");
  await send(subject, queueName, stepMessage(), { idempotencyKey });
  await until(() => seen.length >= 1);
  await send(subject, queueName, stepMessage(), { idempotencyKey });
  await sleep(1000);
  release();
  await sleep(500);
  return seen.length;
}

async function mostAtOnce(subject: Subject): Promise<number> {
  const { queueName, runId } = await runWithQueue(subject);
  let inside = 0;
  let most = 0;
  let last = 0;
  subject.handle(queueName, async () => {
    inside += 1;
    most = Math.max(most, inside);
    await sleep(100);
    inside -= 1;
    last = Date.now();
  });
  await Promise.all(Array.from({ length: 5 }, () => send(subject, queueName, { runId })));
  await until(() => last > 0 && inside === 0 && Date.now() - last > 500);
  return most;
}

/** A run, and the queue of its wake-ups. */
async function runWithQueue({ world }: Subject): Promise<{ queueName: string; runId: string }> {
  const workflowName = newId("conformance");
  const runId = await newRun(world, { workflowName });
  return { queueName: `__wkf_workflow_${workflowName}`, runId };
}
