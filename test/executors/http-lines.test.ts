import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { createHttpExecutor } from "../../src/executors/http.ts";
import type { ExecuteRequest } from "../../src/types/executor.ts";
import type { RunnerEvent } from "../../src/types/runner.ts";
import { json, pass, serve, serveRaw } from "./server.ts";

const id = "7d0f0f9e-2c1b-4a53-9d57-3f1f6f0a7c11";
const checkpoint = { event: "checkpoint", id, at: 1000, type: "t", data: { n: 1 }, runner: "a" };
const log = { event: "log", at: 1001, message: "m", meta: { n: 1 }, runner: "a" };
const reply = { results: [{ name: "a", status: "pass" }] };

/** Executes a job of one runner, and answers with what it came to and what was told. */
async function execute(url: string, more: Partial<ExecuteRequest> = {}, options = {}) {
  const events: RunnerEvent[] = [];
  const outcome = await createHttpExecutor(options)
    .execute({
      server: { id: "s1", url, region: "eu" },
      job: { runners: ["a"] },
      idempotencyKey: "r1/j1",
      attempt: 1,
      timeout: 5000,
      onEvent: (event) => events.push(event),
      ...more,
    })
    .then(
      (value) => ({ value, error: undefined }),
      (error: unknown) => ({ value: undefined, error }),
    );
  return { ...outcome, events };
}

function open(response: ServerResponse, headers = {}): void {
  response.writeHead(200, { "content-type": "application/x-ndjson", ...headers });
}

/** A server that answers in these lines. */
async function lining(...lines: unknown[]): Promise<string> {
  const { url } = await serve((response) => {
    open(response);
    response.end(lines.map((line) => `${text(line)}\n`).join(""));
  });
  return url;
}

function text(line: unknown): string {
  return typeof line === "string" ? line : JSON.stringify(line);
}

test("lines are asked for only by who takes events, and never through a fetch of one's own", async () => {
  const server = await serve(pass());
  await execute(server.url);
  await execute(server.url, { onEvent: undefined });
  const fetched = vi.fn(globalThis.fetch);
  const { value } = await execute(server.url, {}, { fetch: fetched });
  expect(value?.results).toHaveLength(1);
  expect(fetched).toHaveBeenCalledOnce();
  expect(server.requests.map(({ headers }) => headers.accept)).toEqual([
    "application/x-ndjson, application/json",
    "application/json",
    "application/json",
  ]);
});

test("a plain answer is read as ever, also its errors", async () => {
  const plain = await serve((response) => json(response, { json: reply }));
  expect(await execute(plain.url)).toMatchObject({ value: reply, events: [] });
  const failing = await serve((response) => json(response, { code: "X", message: "no" }, 503));
  expect((await execute(failing.url)).error).toMatchObject({ code: "SERVER_ERROR" });
});

test.each([reply, { json: reply }])("events are passed on as they come, then %j", async (last) => {
  let finish = (): void => undefined;
  const server = await serve((response) => {
    open(response, { "content-type": "application/x-ndjson; charset=utf-8" });
    const first = `${text(checkpoint)}\n\n${text(log)}\n{"event":"ping"}\n`;
    response.write(first.slice(0, 30));
    setTimeout(() => response.write(first.slice(30)), 10);
    // Without a line feed at its end.
    finish = () => response.end(text({ reply: last }));
  });
  const events: RunnerEvent[] = [];
  const done = execute(server.url, { onEvent: (event) => events.push(event) });
  await vi.waitFor(() => expect(events).toEqual([checkpoint, log]));
  finish();
  expect((await done).value).toEqual(reply);
});

test("compressed lines are passed on too, and letters that fall into two parts", async () => {
  const message = "ü".repeat(1000);
  const server = await serve((response) => {
    open(response, { "content-encoding": "gzip" });
    const bytes = gzipSync(`${text({ ...log, message })}\n${text({ reply })}\n`);
    for (const byte of bytes) response.write(Buffer.of(byte));
    response.end();
  });
  const { value, events } = await execute(server.url);
  expect(value).toEqual(reply);
  expect(events).toEqual([{ ...log, message }]);
});

test("details as deep as a plain reply may have them come in lines too", async () => {
  const details = JSON.parse(`{"x":${"[".repeat(95)}${"]".repeat(95)}}`);
  const results = [{ name: "a", status: "pass", details }];
  const { value } = await execute(await lining({ reply: { json: { results } } }));
  expect(value?.results[0]!.details).toEqual(details);
});

test.each([
  [
    "a contract's error",
    { error: { code: "EXECUTION_FAILED", message: "no" } },
    "EXECUTION_FAILED",
    false,
  ],
  [
    "an enveloped one",
    { error: { json: { code: "EXECUTION_FAILED" } }, status: 500 },
    "EXECUTION_FAILED",
    false,
  ],
  ["a status of its own", { error: { message: "no" }, status: 503 }, "SERVER_ERROR", true],
  ["a rejection", { error: "no", status: 422 }, "SERVER_REJECTED", false],
  ["a status that is none", { error: null, status: "2000" }, "SERVER_ERROR", true],
  ["a status of success", { error: {}, status: 200 }, "SERVER_ERROR", true],
])("an error line with %s is that error", async (_, line, code, retryable) => {
  const { error, events } = await execute(await lining(checkpoint, line, log));
  expect(error).toMatchObject({ code, retryable });
  expect(events).toEqual([checkpoint]);
});

test.each<[string, unknown[]]>([
  ["no last line", [checkpoint]],
  ["nothing but heartbeats", [{ event: "ping" }]],
  ["nothing at all", []],
  ["a line that is not JSON", ["<html>", { reply }]],
  ["a line that is no object", [[1], { reply }]],
  ["a line cut off", [checkpoint, '{"reply":{"results":[']],
  ["a line nested too deep", [`{"x":${"[".repeat(200)}${"]".repeat(200)}}`, { reply }]],
  ["a line of deep nesting that could overflow", ["[".repeat(1_000_000)]],
  ["a reply that is none", [{ reply: null }]],
  ["a reply without results", [{ reply: { results: 7 } }]],
  ["bytes that are no text", ["\u0000\u0001\ufffd\u0000", { reply }]],
])("%s is a fault of the server, which another may not have", async (_, lines) => {
  const { error } = await execute(await lining(...lines));
  expect(error).toMatchObject({ code: "INVALID_RESPONSE", retryable: true });
});

test("what comes after the reply counts for nothing", async () => {
  const other = { reply: { results: [{ name: "a", status: "fail" }] } };
  const url = await lining({ reply }, log, other, { error: {} }, "garbage");
  expect(await execute(url)).toMatchObject({ value: reply, events: [] });
});

test("what is no event is left out, and what is one has no more than it may", async () => {
  const clean = { ...checkpoint, type: "last" };
  const url = await lining(
    { event: "unknown", at: 1 },
    { event: ["log"], at: 1, message: "m" },
    { ...checkpoint, id: "not-a-uuid" },
    { ...checkpoint, id: 7 },
    { ...checkpoint, type: "" },
    { ...checkpoint, type: "x".repeat(201) },
    { ...checkpoint, type: 7 },
    { ...checkpoint, at: "now" },
    { ...checkpoint, at: -1 },
    { ...checkpoint, at: 1e300 },
    { ...checkpoint, data: "x".repeat(65_536) },
    text({ ...checkpoint, data: 0 }).replace(
      '"data":0',
      `"data":${"[".repeat(97)}${"]".repeat(97)}`,
    ),
    { ...log, message: 7 },
    { ...log, at: 1.5, message: "x".repeat(20_000), meta: [1], runner: "r".repeat(500), more: 1 },
    { ...log, meta: { big: "x".repeat(70_000) }, runner: {} },
    text(clean).replace("{", '{"__proto__":{"polluted":1},'),
    { reply },
  );
  const { value, events } = await execute(url);
  expect(value).toEqual(reply);
  expect(events).toEqual([
    { event: "log", at: 1, message: `${"x".repeat(9999)}…`, runner: "r".repeat(200) },
    { event: "log", at: 1001, message: "m", runner: "unknown" },
    clean,
  ]);
});

test("of more events than an execution may tell, the rest is left out", async () => {
  const logs = Array.from({ length: 1500 }, (_, n) => ({ ...log, message: `l${n}` }));
  const checkpoints = Array.from({ length: 1500 }, () => checkpoint);
  const { value, events } = await execute(await lining(...logs, ...checkpoints, { reply }));
  expect(value).toEqual(reply);
  expect(events.filter(({ event }) => event === "log")).toHaveLength(1001);
  expect(events.filter(({ event }) => event === "checkpoint")).toHaveLength(1000);
  const large = Array.from({ length: 60 }, () => ({ ...checkpoint, data: "x".repeat(60_000) }));
  expect((await execute(await lining(...large, { reply }))).events).toHaveLength(17);
});

test("what runners tell leaves the reply its whole size", async () => {
  const told = Array.from({ length: 15 }, () => ({ ...checkpoint, data: "x".repeat(60_000) }));
  const results = [{ name: "check", status: "pass", details: { page: "x".repeat(4.9e6) } }];
  const { error, events } = await execute(await lining(...told, { reply: { results } }));
  expect(error).toBeUndefined();
  expect(events).toHaveLength(15);
});

test("a line, or many, over the limit of an answer end it", async () => {
  const huge = await serve((response) => {
    open(response);
    const part = "x".repeat(1024 * 1024);
    const more = (): void => {
      while (!response.destroyed && response.write(part));
      response.once("drain", more);
    };
    more();
  });
  const one = await execute(huge.url);
  expect(one.error).toMatchObject({ code: "RESPONSE_TOO_LARGE", retryable: false });
  const many = await serve((response) => {
    open(response);
    const more = (): void => {
      while (!response.destroyed && response.write(`${text(log)}\n`.repeat(1000)));
      response.once("drain", more);
    };
    more();
  });
  const { error, events } = await execute(many.url);
  expect(error).toMatchObject({ code: "RESPONSE_TOO_LARGE" });
  expect(events).toHaveLength(1001);
});

test("lines that never end are a timeout, also with heartbeats", async () => {
  const server = await serve((response) => {
    open(response);
    const timer = setInterval(() => response.write('{"event":"ping"}\n'), 5);
    response.on("close", () => clearInterval(timer));
  });
  const { error } = await execute(server.url, { timeout: 100 });
  expect(error).toMatchObject({ code: "SERVER_TIMEOUT", retryable: true });
});

test("a connection that breaks between the lines is one that failed", async () => {
  const server = await serveRaw((socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n");
    socket.write(`Content-Length: 9999\r\n\r\n${text(checkpoint)}\n`);
    setTimeout(() => socket.destroy(), 20);
  });
  const { error, events } = await execute(server.url);
  expect(error).toMatchObject({ code: "SERVER_UNREACHABLE", retryable: true });
  expect(events).toEqual([checkpoint]);
});

test.each([{}, { "content-encoding": "gzip" }])(
  "after an abort nothing is told, with headers %j",
  async (headers) => {
    const abort = new AbortController();
    const lines = `${text(log)}\n`.repeat(500);
    const server = await serve((response) => {
      open(response, headers);
      response.write("content-encoding" in headers ? gzipSync(lines) : lines);
    });
    let told = 0;
    const { error } = await execute(server.url, {
      signal: abort.signal,
      onEvent: () => void (++told === 3 && abort.abort(new Error("cancelled"))),
    });
    expect(error).toEqual(new Error("cancelled"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toBe(3);
  },
);

test("lines of an answer other than 2xx are an error's text", async () => {
  const server = await serve((response) => {
    response.writeHead(502, { "content-type": "application/x-ndjson" });
    response.end(`${text(log)}\n${text({ reply })}\n`);
  });
  const { error, events } = await execute(server.url);
  expect(error).toMatchObject({ code: "SERVER_ERROR" });
  expect(events).toEqual([]);
});
