import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { deliverOnce } from "../../src/runtime/callback-delivery.ts";
import { sendCallback } from "../../src/runtime/callback-request.ts";
import { createCallbackTargets, type ResolveName } from "../../src/runtime/callback-targets.ts";
import {
  type Delivery,
  expectedSignature,
  type Receiver,
  startReceiver,
} from "../_support/receiver.ts";

const message = { runId: "wrun_1", body: '{"type":"run.completed"}' };
const loopback = createCallbackTargets({ allow: ["127.0.0.1"] }, {});
const going = new AbortController().signal;

async function receiverThat(
  reply?: (delivery: Delivery, response: ServerResponse) => void,
): Promise<Receiver> {
  const receiver = await startReceiver(reply);
  onTestFinished(receiver.close);
  return receiver;
}

/** A resolver whose answers come one after another. */
function resolving(...answers: string[]): ResolveName {
  return (_name, _options, callback) => callback(null, [{ address: answers.shift()!, family: 4 }]);
}

test("a callback carries its headers, and a signature where there is a secret", async () => {
  const receiver = await receiverThat();
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const signed = { url: `${receiver.url}/a?b=c`, secret: "sixteen or so bytes" };
  const options = { targets: loopback, signal: going };
  expect(await deliverOnce(signed, { ...message, traceparent }, options)).toEqual({
    delivered: true,
  });
  expect(await deliverOnce({ url: receiver.url }, message, options)).toEqual({ delivered: true });
  const [first, second] = receiver.deliveries;
  expect(first).toMatchObject({ path: "/a?b=c", text: message.body });
  expect(first!.headers).toMatchObject({
    "webhook-id": "msg_wrun_1",
    "webhook-signature": expectedSignature(Buffer.from(signed.secret), first!),
    "content-type": "application/json",
    "content-length": `${message.body.length}`,
    traceparent,
  });
  expect(second!.headers).not.toHaveProperty("webhook-signature");
  expect(second!.headers).not.toHaveProperty("traceparent");
});

test.each([
  [200, {}, { delivered: true }],
  [299, {}, { delivered: true }],
  [301, { location: "/elsewhere" }, { delivered: false, failure: "HTTP 301", gone: false }],
  [404, {}, { delivered: false, failure: "HTTP 404", gone: false }],
  [410, {}, { delivered: false, failure: "HTTP 410", gone: true }],
  [
    503,
    { "retry-after": "7" },
    { delivered: false, failure: "HTTP 503", gone: false, retryAfter: 7000 },
  ],
])("%d with %j comes to %j", async (status, headers, outcome) => {
  const receiver = await receiverThat(
    (_, response) => void response.writeHead(status, headers).end(),
  );
  const options = { targets: loopback, signal: going };
  expect(await deliverOnce({ url: receiver.url }, message, options)).toEqual(outcome);
  expect(receiver.deliveries).toHaveLength(1);
});

test("an answer without end is not read, and none in time is a failure", async () => {
  let closed: Promise<unknown> | undefined;
  const receiver = await receiverThat(({ path }, response) => {
    if (path === "/silent") return;
    closed = once(response, "close");
    response.writeHead(200).write("a part of it");
  });
  const request = { headers: {}, body: "{}", signal: going };
  const url = `${receiver.url}/endless`;
  expect(await sendCallback({ ...request, url, timeout: 5000 }, loopback)).toEqual({ status: 200 });
  await closed;
  const silent = { ...request, url: `${receiver.url}/silent`, timeout: 100 };
  await expect(sendCallback(silent, loopback)).rejects.toThrow("no answer within 100 ms");
});

test("the end of the process is no outcome", async () => {
  const receiver = await receiverThat(() => undefined);
  const end = new AbortController();
  const options = { targets: loopback, signal: end.signal };
  const outcome = deliverOnce({ url: receiver.url }, message, options);
  await expect.poll(() => receiver.deliveries.length).toBe(1);
  end.abort("over");
  await expect(outcome).rejects.toBe("over");
});

test("the connection goes to the address that was checked, whatever the name leads to next", async () => {
  const receiver = await receiverThat();
  const url = `http://hooks.test:${receiver.port}/`;
  const allow = ["127.0.0.1"];
  const again = createCallbackTargets({ allow }, {}, resolving("127.0.0.1", "127.0.0.2"));
  expect(await deliverOnce({ url }, message, { targets: again, signal: going })).toEqual({
    delivered: true,
  });
  expect(receiver.deliveries[0]!.headers.host).toBe(`hooks.test:${receiver.port}`);
  // No connection is kept for the name: it is looked up, and checked, each time.
  expect(await deliverOnce({ url }, message, { targets: again, signal: going })).toMatchObject({
    delivered: false,
    failure: expect.stringMatching(/^leads to no address that is allowed/),
  });
  const strict = createCallbackTargets({}, {}, resolving("127.0.0.1"));
  expect(await deliverOnce({ url }, message, { targets: strict, signal: going })).toMatchObject({
    delivered: false,
    failure: expect.stringMatching(/^leads to no address that is allowed/),
  });
  expect(receiver.deliveries).toHaveLength(1);
});

test("an address that was allowed when the run began is checked when it is told", async () => {
  const receiver = await receiverThat();
  const targets = createCallbackTargets({}, {});
  expect(
    await deliverOnce({ url: receiver.url }, message, { targets, signal: going }),
  ).toMatchObject({ delivered: false, failure: expect.stringMatching(/^callback\.url must not/) });
  expect(receiver.deliveries).toEqual([]);
});
