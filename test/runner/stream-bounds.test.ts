import { connect } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { createAnswers } from "../../src/runner/answers.ts";
import type { RunnerContext } from "../../src/runner/index.ts";
import { createEventLines, streamLines } from "../../src/runner/stream.ts";
import { acceptLines as accept, reading, silent } from "./_support/lines.ts";
import { gate, serve } from "./_support/serve.ts";

test("1,000 logs and as many checkpoints are told, and a last line tells how many were not", async () => {
  const print = silent();
  const many = async (ctx: RunnerContext) => {
    for (let n = 0; n < 1003; n++) ctx.log(`l${n}`);
    for (let n = 0; n < 1002; n++) ctx.checkpoint(`c${n}`);
    return { status: "pass" };
  };
  const { execute } = await serve({ runners: { many } });
  const lines = await reading(await execute({ runners: ["many"] }, accept)).all();
  const events = lines.slice(0, -1);
  expect(events.map(({ message, type }) => message ?? type)).toEqual([
    ...Array.from({ length: 1000 }, (_, n) => `l${n}`),
    ...Array.from({ length: 1000 }, (_, n) => `c${n}`),
    "Dropped 3 log lines and 2 checkpoints: an execution may tell 1000 and 1000, of 1048576 bytes in all",
  ]);
  expect(events.at(-1)).toMatchObject({ event: "log", runner: "many" });
  // All that was logged is still printed.
  expect(print).toHaveBeenCalledTimes(1004);
});

test("of events larger than 1 MiB in all the rest is dropped, and never the reply", async () => {
  const data = "ü".repeat(30_000);
  const large = async (ctx: RunnerContext) => {
    for (let n = 0; n < 40; n++) ctx.checkpoint("large", data);
    return { status: "pass" };
  };
  silent();
  const { execute } = await serve({ runners: { large } });
  const text = await (await execute({ runners: ["large"] }, accept)).text();
  const lines = text.trimEnd().split("\n");
  const events = lines.slice(0, -2);
  expect(events).toHaveLength(17);
  expect(Buffer.byteLength(events.join("\n"))).toBeLessThanOrEqual(1024 * 1024);
  expect(lines.at(-2)).toContain("Dropped 0 log lines and 23 checkpoints");
  expect(JSON.parse(lines.at(-1)!).reply.results).toMatchObject([{ status: "pass" }]);
});

test("clients that never read hold up neither the runner nor each other", async () => {
  silent();
  const end = gate();
  let rounds = 0;
  const chatty = async (ctx: RunnerContext) => {
    for (; rounds < 150; rounds++) {
      ctx.log("x".repeat(9000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await end.opened;
    return { status: "pass" };
  };
  const { execute, origin } = await serve({ runners: { chatty } });
  const body = JSON.stringify({ runners: ["chatty"] });
  const request = [
    "POST /api/runner/execute HTTP/1.1",
    "Host: x",
    "Content-Type: application/json",
    "Accept: application/x-ndjson",
    "Idempotency-Key: k",
    `Content-Length: ${body.length}`,
    "",
    body,
  ].join("\r\n");
  const deaf = Array.from({ length: 20 }, () => {
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.pause();
    socket.on("error", () => {});
    socket.write(request);
    return socket;
  });
  onTestFinished(() => deaf.forEach((socket) => socket.destroy()));
  await vi.waitFor(() => expect(rounds).toBe(150), { timeout: 10_000 });
  const hearing = await execute({ runners: ["chatty"] }, { ...accept, "idempotency-key": "k" });
  end.open();
  const lines = await reading(hearing).all();
  expect(lines).toHaveLength(117);
  expect(lines.at(-1).reply.results).toMatchObject([{ status: "pass" }]);
});

test("streams that nobody reads hold nothing of their own", async () => {
  const events = createEventLines();
  const end = gate();
  const last = end.opened.then(() => `{"reply":"${"x".repeat(1_000_000)}"}`);
  const streams = Array.from({ length: 100 }, () => streamLines(events, last));
  const before = process.memoryUsage().arrayBuffers;
  const message = "x".repeat(10_000);
  for (let n = 0; n < 100; n++) events.add({ event: "log", at: n, message, runner: "a" });
  end.open();
  await new Promise((resolve) => setTimeout(resolve, 20));
  // Of 100 copies of 2 MB.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
  await Promise.all(streams.map((stream) => stream.cancel()));
});

test("a stream has one part ready at most, and none before it is asked for", async () => {
  const events = createEventLines();
  const line = "x".repeat(10_000);
  for (let n = 0; n < 50; n++) events.add({ event: "log", at: n, message: line, runner: "a" });
  const reader = streamLines(events, Promise.resolve('{"reply":1}')).getReader();
  const sizes: number[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    sizes.push(value.byteLength);
  }
  expect(Math.max(...sizes)).toBeLessThan(80_000);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(events.length + 50 + 12);
});

test("after 15 s without anything there is a heartbeat, and none once the reader has gone", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const events = createEventLines();
  const reader = streamLines(events, new Promise(() => {})).getReader();
  const read = reader.read();
  await vi.advanceTimersByTimeAsync(14_999);
  expect(vi.getTimerCount()).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(new TextDecoder().decode((await read).value)).toBe('{"event":"ping"}\n');
  const pending = reader.read();
  await vi.advanceTimersByTimeAsync(1);
  expect(vi.getTimerCount()).toBe(1);
  await reader.cancel();
  expect(await pending).toEqual({ done: true, value: undefined });
  await vi.advanceTimersByTimeAsync(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("events count for the bytes of what is kept under a key", async () => {
  const answers = createAnswers({ now: () => 0, maxBytes: 7000 });
  const keep = async (name: string, told: string): Promise<void> => {
    const events = createEventLines();
    if (told !== "") events.add({ event: "log", at: 0, message: told, runner: "a" });
    answers.keep(name, "f", { events, answer: Promise.resolve("x".repeat(1000)) });
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  await keep("a", "");
  await keep("b", "");
  await keep("c", "");
  expect(answers.find("a", "f")).toBeDefined();
  await keep("d", "x".repeat(1000));
  expect(["a", "b", "c", "d"].filter((name) => answers.find(name, "f"))).toEqual(["c", "d"]);
});
