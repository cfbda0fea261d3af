import { expect, test } from "vitest";
import { createHttpExecutor, createHttpProbe } from "../../src/executors/http.ts";
import { type Answer, deadUrl, json, serve } from "./server.ts";

const target = (url: string) => ({ id: "s1", url, region: "eu" });

/** What an execution on a server that answers so fails with, and how often the server was asked. */
async function failure(answer: Answer, options = {}): Promise<any> {
  const server = await serve(answer);
  const job = { runners: ["a"] };
  const request = {
    server: target(server.url),
    job,
    idempotencyKey: "r/j",
    attempt: 1,
    timeout: 5000,
  };
  try {
    await createHttpExecutor(options).execute(request);
  } catch (error) {
    expect(server.requests).toHaveLength(1);
    return error;
  }
  throw new Error("nothing was thrown");
}

function text(body: string, status = 200, headers = {}): Answer {
  return (response) => response.writeHead(status, headers).end(body);
}

test.each([
  ["bare", (body: object) => body],
  ["enveloped", (body: object) => ({ json: body })],
])("the contract's own errors keep their code, message and data (%s)", async (_, wrap) => {
  for (const code of ["RUNNER_NOT_FOUND", "INPUT_VALIDATION_FAILED", "EXECUTION_FAILED"]) {
    const body = { defined: true, code, status: 500, message: `m ${code}`, data: { x: [1] } };
    const error = await failure((response) => json(response, wrap(body), 500));
    expect(error).toMatchObject({ code, message: `m ${code}`, retryable: false, data: { x: [1] } });
  }
});

test("another 500 is a server error, with its message", async () => {
  const error = await failure((response) => json(response, { json: { message: "boom" } }, 500));
  expect(error).toMatchObject({
    code: "SERVER_ERROR",
    retryable: true,
    message: "Server s1 answered 500: boom",
  });
});

test("an html error page is told short and without its tags", async () => {
  const page = `<html><style>p{}</style><script>x()</script><h1>Bad   gateway</h1><p>${"long ".repeat(100)}</p>`;
  const error = await failure(text(page, 502, { "content-type": "text/html" }));
  expect(error).toMatchObject({ code: "SERVER_ERROR", retryable: true });
  expect(error.message).toMatch(/^Server s1 answered 502: Bad gateway long long /);
  expect(error.message.length).toBeLessThan(250);
});

test("an error without a body is told by its status", async () => {
  expect((await failure(text("", 503))).message).toBe("Server s1 answered 503");
});

test.each([503, 429])("a %d says when to come back, in seconds", async (status) => {
  const error = await failure(text("", status, { "retry-after": "7" }));
  expect(error).toMatchObject({ retryable: true, retryAfter: 7000 });
});

test("a 503 says when to come back, as a date", async () => {
  const date = new Date(Date.now() + 60_000).toUTCString();
  const { retryAfter } = await failure(text("", 503, { "retry-after": date }));
  expect(retryAfter).toBeGreaterThan(50_000);
  expect(retryAfter).toBeLessThanOrEqual(60_000);
});

test.each([
  [400, false],
  [401, true],
  [403, true],
  [404, true],
  [408, true],
  [409, false],
  [413, false],
  [422, false],
  [425, true],
  [429, true],
])("a %d is a rejection, retryable: %s", async (status, retryable) => {
  const error = await failure((response) => json(response, { message: "no" }, status));
  expect(error).toMatchObject({
    code: "SERVER_REJECTED",
    retryable,
    message: `Server s1 answered ${status}: no`,
  });
});

test.each([301, 302, 307, 308])("a %d is not followed", async (status) => {
  const error = await failure(text("", status, { location: "/elsewhere" }));
  expect(error).toMatchObject({
    code: "SERVER_REJECTED",
    message: `Server s1 answered ${status} to /elsewhere; redirects are not followed`,
  });
});

test.each([
  ["html", "<p>hello</p>"],
  ["nothing", ""],
  ["broken JSON", '{"results":['],
  ["no results", '{"ok":true}'],
  ["results of another shape", '{"results":{}}'],
  ["an empty envelope", '{"json":null}'],
  ["a list", "[]"],
  ["null", "null"],
])("a 200 with %s is an invalid response", async (_, body) => {
  expect(await failure(text(body))).toMatchObject({ code: "INVALID_RESPONSE", retryable: true });
});

test("a response over the limit is cut off while it streams", async () => {
  let sent = 0;
  let closed: Promise<unknown> | undefined;
  const error = await failure((response) => {
    const chunk = Buffer.alloc(64 * 1024, "x");
    closed = new Promise((resolve) => response.once("close", resolve));
    response.writeHead(200);
    const write = (): void => {
      while (sent < 100 * 1024 * 1024 && !response.destroyed) {
        sent += chunk.length;
        if (!response.write(chunk)) return void response.once("drain", write);
      }
      response.end();
    };
    write();
  });
  await closed;
  expect(error).toMatchObject({
    code: "RESPONSE_TOO_LARGE",
    retryable: false,
    message: "Server s1 answered with more than 5242880 bytes",
  });
  expect(sent).toBeLessThan(50 * 1024 * 1024);
});

test("a response of 10 MB is over the default limit", async () => {
  const error = await failure(text(JSON.stringify({ results: [], x: "x".repeat(10_000_000) })));
  expect(error).toMatchObject({ code: "RESPONSE_TOO_LARGE" });
});

test("the limit is exact", async () => {
  const body = JSON.stringify({ results: [] });
  const server = await serve(text(body));
  const execute = (maxResponseBytes: number) =>
    createHttpExecutor({ maxResponseBytes }).execute({
      server: target(server.url),
      job: { runners: [] },
      idempotencyKey: "r/j",
      attempt: 1,
      timeout: 5000,
    });
  await expect(execute(body.length)).resolves.toEqual({ results: [] });
  await expect(execute(body.length - 1)).rejects.toMatchObject({ code: "RESPONSE_TOO_LARGE" });
});

test("characters split between two parts of a response stay whole", async () => {
  const body = Buffer.from(JSON.stringify({ results: [{ name: "prüfung", status: "pass" }] }));
  const at = body.indexOf("ü") + 1;
  const server = await serve((response) => {
    response.write(body.subarray(0, at));
    setTimeout(() => response.end(body.subarray(at)), 20);
  });
  const reply = await createHttpExecutor().execute({
    server: target(server.url),
    job: { runners: ["a"] },
    idempotencyKey: "r/j",
    attempt: 1,
    timeout: 5000,
  });
  expect(reply.results[0]!.name).toBe("prüfung");
});

// the probe

test.each([
  ["bare", { runners: ["a"], count: 1 }],
  ["enveloped", { json: { runners: [] } }],
])("a probe is content with a list of runners (%s)", async (_, body) => {
  const server = await serve((response) => json(response, body));
  const probe = createHttpProbe({ headers: { authorization: "Bearer x" } });
  await probe(target(`${server.url}/api/runner/`), new AbortController().signal);
  expect(server.requests).toMatchObject([
    { method: "GET", path: "/api/runner/info", headers: { authorization: "Bearer x" } },
  ]);
});

test.each<[string, Answer, string]>([
  ["a 500", text("no", 500), "SERVER_ERROR"],
  ["a 404", text("no", 404), "SERVER_REJECTED"],
  ["a page", text("<p>"), "INVALID_RESPONSE"],
  ["no runners", (response) => json(response, { ok: true }), "INVALID_RESPONSE"],
])("a probe is not content with %s", async (_, answer, code) => {
  const server = await serve(answer);
  const probe = createHttpProbe()(target(server.url), new AbortController().signal);
  await expect(probe).rejects.toMatchObject({ code });
});

test("a probe of a dead server fails", async () => {
  const probe = createHttpProbe()(target(await deadUrl()), new AbortController().signal);
  await expect(probe).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
});

test("a probe ends when it is aborted", async () => {
  const abort = new AbortController();
  const server = await serve(() => abort.abort(new Error("enough")));
  await expect(createHttpProbe()(target(server.url), abort.signal)).rejects.toThrow("enough");
});
