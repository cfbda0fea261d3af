import { expect, test } from "vitest";
import { createHttpExecutor } from "../../src/executors/http.ts";
import type { ExecuteRequest } from "../../src/types/executor.ts";
import { deadUrl, json, pass, serve, serveRaw } from "./server.ts";

function request(url: string, more: Partial<ExecuteRequest> = {}): ExecuteRequest {
  return {
    server: { id: "s1", url, region: "eu" },
    job: { url: "https://x.test", runners: ["a", { name: "b", input: { n: 1 } }], input: { m: 2 } },
    runId: "r1",
    idempotencyKey: "r1/j1",
    attempt: 2,
    timeout: 5000,
    ...more,
  };
}

const one = { job: { runners: ["a"] } };

/** What an execution fails with. */
async function failure(
  url: string,
  more: Partial<ExecuteRequest> = {},
  options = {},
): Promise<any> {
  return createHttpExecutor(options)
    .execute(request(url, more))
    .then(
      (reply) => {
        throw new Error(`answered ${JSON.stringify(reply)}`);
      },
      (error: unknown) => error,
    );
}

// what is sent

test("sends the job in an envelope, with the contract's headers", async () => {
  const server = await serve(pass());
  await createHttpExecutor().execute(request(`${server.url}/api/runner`));
  expect(server.requests).toHaveLength(1);
  expect(server.requests[0]).toMatchObject({
    method: "POST",
    path: "/api/runner/execute",
    headers: {
      "content-type": "application/json",
      accept: "application/json",
      "idempotency-key": "r1/j1",
      "x-attempt": "2",
    },
  });
  expect(server.requests[0]!.body).toEqual({
    json: {
      url: "https://x.test",
      runners: ["a", { name: "b", input: { n: 1 } }],
      runId: "r1",
      region: "eu",
      input: { m: 2 },
    },
  });
});

test("leaves out what the job leaves out", async () => {
  const server = await serve(pass());
  await createHttpExecutor().execute(request(server.url, { ...one, runId: undefined }));
  expect(server.requests[0]!.body).toEqual({ json: { runners: ["a"], region: "eu" } });
});

test("a job's own region goes before its server's", async () => {
  const server = await serve(pass());
  await createHttpExecutor().execute(
    request(server.url, { job: { runners: ["a"], region: "us" } }),
  );
  expect(server.requests[0]!.body.json.region).toBe("us");
});

test.each(["/", "///"])("tolerates a url that ends in %s", async (slashes) => {
  const server = await serve(pass());
  await createHttpExecutor().execute(request(`${server.url}/api/runner${slashes}`));
  expect(server.requests[0]!.path).toBe("/api/runner/execute");
});

test("sends headers of one's own, but never instead of the contract's", async () => {
  const server = await serve(pass());
  const headers = { Authorization: "Bearer x", "Idempotency-Key": "mine" };
  await createHttpExecutor({ headers }).execute(request(server.url));
  expect(server.requests[0]!.headers).toMatchObject({
    authorization: "Bearer x",
    "idempotency-key": "r1/j1",
  });
});

test("a run id of any characters makes a valid header", async () => {
  const server = await serve(pass());
  const idempotencyKey = "prüfung 1\r\nX-Evil: 1\ud800/j1";
  await createHttpExecutor().execute(request(server.url, { idempotencyKey }));
  const { headers } = server.requests[0]!;
  expect(headers["idempotency-key"]).toBe("pr%C3%BCfung%201%0D%0AX-Evil:%201%EF%BF%BD/j1");
  expect(headers["x-evil"]).toBeUndefined();
});

// what is answered

test.each([
  ["bare", (reply: object) => reply],
  ["enveloped", (reply: object) => ({ json: reply, meta: [] })],
])("reads a %s reply", async (_, wrap) => {
  const reply = { region: "eu", runId: "r1", results: [{ name: "a", status: "pass" }] };
  const server = await serve((response) => json(response, wrap(reply)));
  expect(await createHttpExecutor().execute(request(server.url, one))).toEqual(reply);
});

test("an unknown status is an error result", async () => {
  const results = [{ name: "a", status: "flaky" }];
  const server = await serve((response) => json(response, { results }));
  expect((await createHttpExecutor().execute(request(server.url, one))).results).toEqual([
    { name: "a", status: "error", errorMessage: 'Unknown status "flaky"' },
  ]);
});

test("a result without a name has the requested one, and a missing result is an error", async () => {
  const server = await serve((response) => json(response, { results: [{ status: "pass" }] }));
  expect((await createHttpExecutor().execute(request(server.url))).results).toEqual([
    { name: "a", status: "pass" },
    {
      name: "b",
      status: "error",
      errorMessage: 'The server answered without a result for runner "b"',
    },
  ]);
});

// connections

test("a server nobody listens at is unreachable", async () => {
  const url = await deadUrl();
  expect(await failure(url)).toMatchObject({
    code: "SERVER_UNREACHABLE",
    retryable: true,
    message: `Server s1 cannot be reached at ${url}: ECONNREFUSED`,
  });
});

test("a server that dies mid-request is unreachable", async () => {
  const server = await serve((response) => response.socket!.destroy());
  expect(await failure(server.url)).toMatchObject({ code: "SERVER_UNREACHABLE", retryable: true });
  expect(server.requests).toHaveLength(1);
});

test("a response shorter than its Content-Length is unreachable", async () => {
  const server = await serveRaw((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"results":[]}');
    setTimeout(() => socket.destroy(), 10);
  });
  expect(await failure(server.url)).toMatchObject({ code: "SERVER_UNREACHABLE", retryable: true });
});

test("a broken chunked response is unreachable", async () => {
  const server = await serveRaw((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{"results":[]}\r\n');
    setTimeout(() => socket.destroy(), 10);
  });
  expect(await failure(server.url)).toMatchObject({ code: "SERVER_UNREACHABLE", retryable: true });
});

test("an answer that is no HTTP is unreachable", async () => {
  const server = await serveRaw((socket) => socket.end("hello\r\n\r\n"));
  expect(await failure(server.url)).toMatchObject({ code: "SERVER_UNREACHABLE", retryable: true });
});

test("a server that hangs times out", async () => {
  const server = await serve(() => {});
  expect(await failure(server.url, { timeout: 50 })).toMatchObject({
    code: "SERVER_TIMEOUT",
    retryable: true,
    message: "Server s1 did not answer in 50 ms",
  });
});

test("a server that hangs in the middle of its answer times out", async () => {
  const server = await serve((response) => void response.write('{"results":['));
  expect(await failure(server.url, { timeout: 50 })).toMatchObject({ code: "SERVER_TIMEOUT" });
});

test.each(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"])(
  "fetch's own timeout %s is a timeout",
  async (code) => {
    const fetch = async () => {
      throw Object.assign(new TypeError("fetch failed"), { cause: { code } });
    };
    expect(await failure("http://x.test", {}, { fetch })).toMatchObject({
      code: "SERVER_TIMEOUT",
      retryable: true,
    });
  },
);

test.each(["before", "during"])("an abort %s the request ends it with its reason", async (when) => {
  const abort = new AbortController();
  const server = await serve(() => abort.abort(new Error("cancelled")));
  if (when === "before") abort.abort(new Error("cancelled"));
  expect(await failure(server.url, { signal: abort.signal })).toEqual(new Error("cancelled"));
  expect(server.requests).toHaveLength(when === "before" ? 0 : 1);
});

test("a timeout longer than a timer can take does not fire at once", async () => {
  const server = await serve(pass(20));
  const reply = await createHttpExecutor().execute(
    request(server.url, { ...one, timeout: 2 ** 40 }),
  );
  expect(reply.results).toHaveLength(1);
});
