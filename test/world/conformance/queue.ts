import { expect } from "vitest";
import { newQueue, send, stepMessage } from "./messages.ts";
import { type Delivery, rule, type Rule } from "./rule.ts";
import { bytes, newId, sleep, text, until } from "./support.ts";

/** The queue: each message at least once, in an order that nobody promises. */
export const queueRules: Rule[] = [
  rule("a message is delivered once, with what was queued", async (subject) => {
    const queueName = newQueue("workflow");
    const seen: [unknown, Delivery][] = [];
    subject.handle(queueName, async (message, delivery) => {
      seen.push([message, delivery]);
    });
    const requestedAt = new Date("2026-01-02T03:04:05.678Z");
    const runInput = {
      input: bytes("\u0000ü"),
      deploymentId: "d",
      workflowName: "w",
      specVersion: 3,
      executionContext: { a: [1, "ü"] },
    };
    const sent = { runId: newId("wrun"), traceCarrier: { a: "b" }, requestedAt, runInput };
    const { messageId } = await send(subject, queueName, sent);
    await until(() => seen.length >= 1);
    const [message, delivery] = seen[0]!;
    const received = message as typeof sent;
    const { input, ...rest } = received.runInput;
    expect(text(input)).toBe("\u0000ü");
    expect({ ...runInput, ...rest }).toEqual({ ...rest, input: runInput.input });
    expect([received.runId, received.traceCarrier]).toEqual([sent.runId, { a: "b" }]);
    // The engine coerces dates, as they travel as text between processes.
    expect(new Date(received.requestedAt)).toEqual(requestedAt);
    expect(delivery).toMatchObject({ attempt: 1, queueName });
    expect(delivery.messageId).toMatch(/^msg_/);
    expect(messageId === null || messageId === delivery.messageId).toBe(true);
    await sleep(300);
    expect(seen).toHaveLength(1);
  }),
  rule("a message is a copy: neither sender nor handler can change it", async (subject) => {
    const queueName = newQueue("step");
    const seen: string[] = [];
    subject.handle(queueName, async (message) => {
      const received = message as ReturnType<typeof stepMessage>;
      const first = seen.push(received.stepId) === 1;
      received.stepId = "changed by the handler";
      return first ? { timeoutSeconds: 0 } : undefined;
    });
    const sent = stepMessage();
    const { stepId } = sent;
    await send(subject, queueName, sent);
    sent.stepId = "changed by the sender";
    await until(() => seen.length >= 2);
    expect(seen).toEqual([stepId, stepId]);
  }),
  rule("steps run at once", async (subject) => {
    const queueName = newQueue("step");
    let inside = 0;
    let most = 0;
    subject.handle(queueName, async () => {
      inside += 1;
      most = Math.max(most, inside);
      await until(() => most === 5, 10_000);
      inside -= 1;
    });
    await Promise.all(Array.from({ length: 5 }, () => send(subject, queueName, stepMessage())));
    await until(() => most === 5);
  }),
  rule("many messages are all delivered, whatever the order", async (subject) => {
    const queueName = newQueue("step");
    const sent = Array.from({ length: 100 }, () => stepMessage());
    const seen: string[] = [];
    subject.handle(queueName, async (message) => {
      seen.push((message as { stepId: string }).stepId);
    });
    await Promise.all(sent.map((message) => send(subject, queueName, message)));
    await until(() => seen.length >= 100, 10_000);
    expect(seen.sort()).toEqual(sent.map(({ stepId }) => stepId).sort());
  }),
  rule("a queue that is neither of workflows nor of steps is refused", async (subject) => {
    for (const name of ["nonsense", "__wkf_other_x", ""]) {
      const call = (async () => send(subject, name, stepMessage()))();
      await expect(call).rejects.toThrow();
    }
  }),
  rule("the route refuses what is no delivery of the queue's", async (subject) => {
    const queueName = newQueue("workflow");
    let handled = 0;
    subject.handle(queueName, async () => {
      handled += 1;
    });
    const url = "http://127.0.0.1/.well-known/workflow/v1/flow";
    const body = JSON.stringify({ runId: newId("wrun") });
    const requests = [
      new Request(url, { method: "POST", body }),
      new Request(url, { method: "POST", body, headers: { "x-vqs-queue-name": queueName } }),
      new Request(url, { method: "GET" }),
    ];
    for (const request of requests) {
      const { status } = await subject.flow(request);
      expect([status >= 400, status < 500]).toEqual([true, true]);
    }
    expect(handled).toBe(0);
  }),
];
