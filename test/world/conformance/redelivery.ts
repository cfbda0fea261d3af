import { expect } from "vitest";
import { newQueue, send, stepMessage } from "./messages.ts";
import { type Delivery, rule, type Rule, type Subject } from "./rule.ts";
import { sleep, until } from "./support.ts";

/** Deliveries again, and later: after a failure, on demand, after a delay. */
export const redeliveryRules: Rule[] = [
  rule("a message that fails and fails is delivered again and again", async (subject) => {
    const { seen } = await failing(subject, Infinity);
    await until(() => seen.length >= 4, 50_000);
    expect(seen.map(({ attempt }) => attempt).slice(0, 4)).toEqual([1, 2, 3, 4]);
  }),
  rule("a message whose handler fails comes again, as the next attempt", async (subject) => {
    const { seen, queueName } = await failing(subject, 1);
    await until(() => seen.length >= 2);
    const [first, second] = seen;
    expect(first).toMatchObject({ attempt: 1, queueName });
    expect(second).toEqual({ ...first, attempt: 2 });
  }),
  rule(
    "a delivery that breaks off is made again",
    async (subject) => {
      const { seen } = await breakingOff(subject);
      await until(() => seen.length >= 1);
    },
    {
      "broken-delivery-lost": async (subject) => {
        const { seen } = await breakingOff(subject);
        // It would be due 5 s later, as after a failure.
        await sleep(7000);
        expect(seen).toEqual([]);
      },
    },
  ),
  rule("a handler that asks for it is called again after that time", async (subject) => {
    const { seen, times } = await askingAgain(subject, 1);
    await until(() => seen.length >= 2);
    expect(times[1]! - times[0]!).toBeGreaterThan(950);
    expect(seen[1]!.messageId).toBe(seen[0]!.messageId);
    await sleep(300);
    expect(seen).toHaveLength(2);
  }),
  rule("a handler that asks for no delay is called again at once", async (subject) => {
    const { seen, times } = await askingAgain(subject, 0);
    await until(() => seen.length >= 2);
    expect(times[1]! - times[0]!).toBeLessThan(3000);
  }),
  rule("a delivery that a handler asked for is the next attempt", async (subject) => {
    const { seen } = await askingAgain(subject, 0);
    await until(() => seen.length >= 2);
    expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2]);
  }),
  rule(
    "a delayed message is delivered after its delay",
    async (subject) => {
      expect(await delayOf(subject, 2)).toBeGreaterThan(1950);
    },
    {
      "delay-ignored": async (subject) => {
        expect(await delayOf(subject, 2)).toBeLessThan(1500);
      },
    },
  ),
];

async function failing(subject: Subject, times: number) {
  const queueName = newQueue("step");
  const seen: Delivery[] = [];
  subject.handle(queueName, async (_message, { attempt, messageId }) => {
    seen.push({ attempt, messageId, queueName });
    if (seen.length <= times) {
      throw new Error("the handler of a conformance rule fails on purpose");
    }
  });
  await send(subject, queueName, stepMessage());
  return { seen, queueName };
}

async function breakingOff(subject: Subject) {
  const queueName = newQueue("step");
  const seen: unknown[] = [];
  subject.handle(queueName, async (message) => {
    seen.push(message);
  });
  subject.sever(queueName);
  await send(subject, queueName, stepMessage());
  return { seen };
}

async function askingAgain(subject: Subject, timeoutSeconds: number) {
  const queueName = newQueue("step");
  const seen: Delivery[] = [];
  const times: number[] = [];
  subject.handle(queueName, async (_message, delivery) => {
    times.push(Date.now());
    return seen.push(delivery) === 1 ? { timeoutSeconds } : undefined;
  });
  await send(subject, queueName, stepMessage());
  return { seen, times };
}

async function delayOf(subject: Subject, delaySeconds: number): Promise<number> {
  const queueName = newQueue("step");
  let delivered = 0;
  subject.handle(queueName, async () => {
    delivered = Date.now();
  });
  const sent = Date.now();
  await send(subject, queueName, stepMessage(), { delaySeconds });
  await until(() => delivered > 0);
  return delivered - sent;
}
