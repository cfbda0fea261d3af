import { connect } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import * as z from "zod";
import { createAnswers } from "../../src/runner/answers.ts";
import type { RunnerContext } from "../../src/runner/index.ts";
import { createEventLines, streamLines } from "../../src/runner/stream.ts";
import { gate, serve } from "./_support/serve.ts";

const accept = { accept: "application/x-ndjson, application/json" };
const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Reads a response line by line. */
function reading(response: Response) {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  const next = async (): Promise<any> => {
    for (;;) {
      const end = rest.indexOf("\n");
      if (end !== -1) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        return JSON.parse(line);
      }
      const { done, value } = await reader.read();
      if (done) return rest === "" ? undefined : Promise.reject(new Error(`left: ${rest}`));
      rest += value;
    }
  };
  return {
    next,
    stop: () => reader.cancel(),
    async all(): Promise<any[]> {
      const lines: any[] = [];
      for (let line = await next(); line !== undefined; line = await next()) lines.push(line);
      return lines;
    },
  };
}

/** A runner that notes something at its start, waits to be let go, and notes something more. */
function telling() {
  const started = gate();
  const end = gate();
  let calls = 0;
  const tell = async (ctx: RunnerContext) => {
    calls++;
    ctx.checkpoint("begun", { n: [1] });
    started.open();
    await end.opened;
    ctx.checkpoint("done");
    return { status: "pass" };
  };
  return { tell, started: started.opened, end: end.open, calls: () => calls };
}

/** Keeps what runners log out of the tests' own output. */
function silent() {
  const print = vi.spyOn(console, "log").mockImplementation(() => {});
  onTestFinished(() => print.mockRestore());
  return print;
}

test("events come while the runner still runs, and last the reply", async () => {
  silent();
  const end = gate();
  const tell = async (ctx: RunnerContext) => {
    ctx.checkpoint("begun", { n: [1] });
    ctx.log("checking", { url: "x", error: new Error("e"), big: 1n });
    await end.opened;
    return { status: "pass", durationMs: 1 };
  };
  const { execute } = await serve({ runners: { tell } });
  const before = Date.now();
  const response = await execute({ runners: ["tell"], runId: "r" }, accept);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  const lines = reading(response);
  const checkpoint = await lines.next();
  const log = await lines.next();
  expect(Object.keys(checkpoint)).toEqual(["event", "id", "at", "type", "data", "runner"]);
  expect(checkpoint).toMatchObject({
    event: "checkpoint",
    id: expect.stringMatching(uuid),
    type: "begun",
    data: { n: [1] },
    runner: "tell",
  });
  expect(Object.keys(log)).toEqual(["event", "at", "message", "meta", "runner"]);
  expect(log).toMatchObject({
    event: "log",
    message: "checking",
    meta: { url: "x", error: { name: "Error", message: "e" }, big: "1" },
    runner: "tell",
  });
  for (const { at } of [checkpoint, log]) {
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now());
  }
  end.open();
  expect(await lines.all()).toEqual([
    { reply: { runId: "r", results: [{ name: "tell", status: "pass", durationMs: 1 }] } },
  ]);
});

test("the reply of an enveloped request is enveloped in its line, and events are not", async () => {
  const { tell, end } = telling();
  end();
  const { execute } = await serve({ runners: { tell } });
  const lines = await reading(await execute({ json: { runners: ["tell"] } }, accept)).all();
  expect(lines.map((line) => Object.keys(line)[0])).toEqual(["event", "event", "reply"]);
  expect(lines[2].reply).toEqual({
    json: { results: [expect.objectContaining({ name: "tell" })] },
  });
});

test.each([
  ["nothing is told", "quiet", accept.accept],
  ["lines are not accepted", "tell", "application/json"],
  ["anything is accepted", "tell", "*/*"],
  ["lines are refused", "tell", "application/x-ndjson;q=0, application/json"],
])("the answer is plain JSON where %s", async (_, name, accepted) => {
  const { tell, end } = telling();
  end();
  const { execute } = await serve({ runners: { tell, quiet: async () => ({ status: "pass" }) } });
  const response = await execute({ runners: [name] }, { accept: accepted });
  expect(response.headers.get("content-type")).toBe("application/json");
  expect((await response.json()).results).toMatchObject([{ name, status: "pass" }]);
});

test("what is refused before anything runs is plain, with its status", async () => {
  const { tell, calls } = telling();
  const tellSchema = z.object({ n: z.number() });
  const { execute } = await serve({ runners: { tell, tellSchema } });
  for (const [body, status, code] of [
    [{}, 400, "BAD_REQUEST"],
    [{ runners: ["nope"] }, 500, "RUNNER_NOT_FOUND"],
    [{ runners: ["tell"] }, 500, "INPUT_VALIDATION_FAILED"],
  ] as const) {
    const response = await execute(body, accept);
    expect([response.status, response.headers.get("content-type")]).toEqual([
      status,
      "application/json",
    ]);
    expect((await response.json()).code).toBe(code);
  }
  expect(calls()).toBe(0);
});

test.each([false, true])(
  "a failure once lines flow is the last line, enveloped %s",
  async (json) => {
    const broken = async (ctx: RunnerContext) => {
      ctx.checkpoint("begun");
      throw Object.defineProperty({}, "message", {
        get() {
          throw new Error("no message");
        },
      });
    };
    const { execute } = await serve({ runners: { broken } });
    const request = { runners: ["broken"] };
    const response = await execute(json ? { json: request } : request, accept);
    expect(response.status).toBe(200);
    const lines = await reading(response).all();
    const error = {
      defined: true,
      code: "EXECUTION_FAILED",
      status: 500,
      message: "Runner execution failed",
      data: { details: "no message" },
    };
    expect(lines).toEqual([
      expect.objectContaining({ type: "begun" }),
      { error: json ? { json: error } : error, status: 500 },
    ]);
  },
);

test("a repeat half-way gets the events of the first, then what comes, then the reply", async () => {
  const { tell, started, end, calls } = telling();
  const { execute } = await serve({ runners: { tell } });
  const key = { ...accept, "idempotency-key": "k" };
  const first = reading(await execute({ runners: ["tell"] }, key));
  await started;
  const second = reading(await execute({ runners: ["tell"] }, key));
  const begun = await first.next();
  expect(await second.next()).toEqual(begun);
  const plain = execute({ runners: ["tell"] }, { "idempotency-key": "k" });
  end();
  const rest = await first.all();
  expect(rest).toHaveLength(2);
  expect(await second.all()).toEqual(rest);
  const late = await reading(await execute({ runners: ["tell"] }, key)).all();
  expect(late).toEqual([begun, ...rest]);
  expect(await (await plain).json()).toEqual(rest[1].reply);
  expect(calls()).toBe(1);
});

test("a client that goes away does not end the execution, and gets all of it when it asks again", async () => {
  const { tell, end, calls } = telling();
  const { execute } = await serve({ runners: { tell } });
  const key = { ...accept, "idempotency-key": "k" };
  const gone = reading(await execute({ runners: ["tell"] }, key));
  const begun = await gone.next();
  await gone.stop();
  const again = reading(await execute({ runners: ["tell"] }, key));
  expect(await again.next()).toEqual(begun);
  end();
  expect(await again.all()).toMatchObject([
    { type: "done" },
    { reply: { results: [{ status: "pass" }] } },
  ]);
  expect(calls()).toBe(1);
});

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

test("clients that never read share what is kept, and hold up nobody", async () => {
  silent();
  const end = gate();
  let rounds = 0;
  const chatty = async (ctx: RunnerContext) => {
    for (; rounds < 400; rounds++) {
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
  globalThis.gc?.();
  const before = process.memoryUsage();
  const deaf = Array.from({ length: 60 }, () => {
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.pause();
    socket.on("error", () => {});
    socket.write(request);
    return socket;
  });
  onTestFinished(() => deaf.forEach((socket) => socket.destroy()));
  await vi.waitFor(() => expect(rounds).toBe(400), { timeout: 10_000 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const after = process.memoryUsage();
  const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  // 60 copies of the 1 MiB would be more.
  expect(grown).toBeLessThan(30 * 1024 * 1024);
  end.open();
  const { results } = await (
    await execute({ runners: ["chatty"] }, { "idempotency-key": "k" })
  ).json();
  expect(results).toMatchObject([{ status: "pass" }]);
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
