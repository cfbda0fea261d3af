import * as v from "valibot";
import * as z from "zod";
import { expect, test } from "vitest";
import { serve } from "./_support/serve.ts";

const malformed =
  "Malformed request. Ensure the request body is properly formatted and the 'Content-Type' header is set correctly.";

/** Runners that note their calls. */
function noted() {
  const calls: { name: string; input: any }[] = [];
  const make = (name: string) => async (_ctx: unknown, input: unknown) => {
    calls.push({ name, input });
    return { status: "pass" };
  };
  return { calls, a: make("a"), b: make("b") };
}

test("a bare request gets a bare reply, with results in request order", async () => {
  const { execute } = await serve({ runners: noted() });
  const response = await execute({ runners: ["b", { name: "a" }, "b"] });
  expect(response.status).toBe(200);
  const body = await response.json();
  expect(Object.keys(body)).toEqual(["results"]);
  expect(body.results.map((result: any) => result.name)).toEqual(["b", "a", "b"]);
});

test.each([{}, { meta: [] }])("a {json} request with %j beside it gets {json}", async (beside) => {
  const { execute } = await serve({ runners: noted() });
  const response = await execute({ json: { runners: ["a"], runId: "r" }, ...beside });
  const body = await response.json();
  expect(Object.keys(body)).toEqual(["json"]);
  expect(body.json).toMatchObject({ runId: "r", results: [{ name: "a", status: "pass" }] });
});

test("a body with more keys than json and meta is a bare one", async () => {
  const { execute } = await serve({ runners: noted() });
  const response = await execute({ json: { runners: ["b"] }, runners: ["a"] });
  expect((await response.json()).results[0].name).toBe("a");
});

test("errors are enveloped when the request was", async () => {
  const { execute } = await serve({ runners: noted() });
  expect((await (await execute({ json: { runners: ["x"] } })).json()).json.code).toBe(
    "RUNNER_NOT_FOUND",
  );
  expect((await (await execute({ json: 5 })).json()).json.code).toBe("BAD_REQUEST");
});

test("runId is echoed only when given", async () => {
  const { execute } = await serve({ runners: noted() });
  expect(await (await execute({ runners: ["a"] })).json()).not.toHaveProperty("runId");
  expect(await (await execute({ runners: ["a"], runId: "r" })).json()).toHaveProperty("runId", "r");
});

test("the server's own region wins over the request's", async () => {
  const own = await serve({ region: "eu", runners: noted() });
  const none = await serve({ runners: noted() });
  const body = { runners: ["a"], region: "us" };
  expect((await (await own.execute(body)).json()).region).toBe("eu");
  expect((await (await none.execute(body)).json()).region).toBe("us");
});

test("a runner's input is the request's, over it its own, over both the request's url", async () => {
  const { calls, ...runners } = noted();
  const { execute } = await serve({ runners });
  await execute({
    url: "https://top.test/",
    input: { url: "https://legacy.test/", depth: 1, legacy: true },
    runners: [{ name: "a", input: { url: "https://own.test/", depth: 2 } }, "b"],
  });
  expect(calls).toEqual([
    { name: "a", input: { url: "https://top.test/", depth: 2, legacy: true } },
    { name: "b", input: { url: "https://top.test/", depth: 1, legacy: true } },
  ]);
});

test("an unknown runner is a 500 RUNNER_NOT_FOUND, and nothing is executed", async () => {
  const { calls, ...runners } = noted();
  const { execute } = await serve({ runners });
  const response = await execute({ runners: ["a", "x", "x", "constructor"] });
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({
    defined: true,
    code: "RUNNER_NOT_FOUND",
    status: 500,
    message: "One or more runners not found",
    data: { missingRunners: ["x", "constructor"], availableRunners: ["a", "b"] },
  });
  expect(calls).toEqual([]);
});

test("an invalid input is a 500 INPUT_VALIDATION_FAILED, and nothing is executed", async () => {
  const { calls, ...runners } = noted();
  const bInputSchema = z.object({ list: z.array(z.object({ n: z.number() })) });
  const { execute } = await serve({ runners: { ...runners, bInputSchema } });
  const response = await execute({ runners: ["a", { name: "b", input: { list: [{ n: "1" }] } }] });
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({
    defined: true,
    code: "INPUT_VALIDATION_FAILED",
    status: 500,
    message: "Runner input validation failed",
    data: {
      runnerName: "b",
      issues: [
        {
          path: ["list", 0, "n"],
          message: "Invalid input: expected number, received string",
          code: "invalid_type",
        },
      ],
    },
  });
  expect(calls).toEqual([]);
});

test("a schema of another vendor validates too, its path segments unwrapped", async () => {
  const aSchema = v.object({ url: v.string(), deep: v.object({ n: v.number() }) });
  const { execute } = await serve({ runners: { a: noted().a, aSchema } });
  const response = await execute({
    url: "https://x.test",
    runners: [{ name: "a", input: { deep: { n: "1" } } }],
  });
  const { data } = await response.json();
  expect(data.issues).toEqual([
    { path: ["deep", "n"], message: expect.stringContaining("number"), code: "number" },
  ]);
});

test("the runner gets the schema's output, and <name>InputSchema goes before <name>Schema", async () => {
  const { calls, a } = noted();
  const aInputSchema = z.object({ n: z.coerce.number(), kind: z.string().default("fast") });
  const { execute } = await serve({ runners: { a, aInputSchema, aSchema: z.never() } });
  await execute({ runners: [{ name: "a", input: { n: "7", other: 1 } }] });
  expect(calls[0]!.input).toEqual({ n: 7, kind: "fast" });
});

test("a harness failure is a 500 EXECUTION_FAILED with its details", async () => {
  const aSchema = {
    "~standard": {
      version: 1,
      vendor: "x",
      validate: () => {
        throw new Error("schema broke");
      },
    },
  };
  const { execute } = await serve({ runners: { a: noted().a, aSchema } });
  const response = await execute({ json: { runners: ["a"] } });
  expect(response.status).toBe(500);
  expect((await response.json()).json).toEqual({
    defined: true,
    code: "EXECUTION_FAILED",
    status: 500,
    message: "Runner execution failed",
    data: { details: "schema broke" },
  });
});

test.each([
  [{}, ["runners"]],
  [{ runners: [] }, ["runners"]],
  [{ runners: "a" }, ["runners"]],
  [{ runners: [7] }, ["runners", 0]],
  [{ runners: [{ input: {} }] }, ["runners", 0]],
  [{ runners: [{ name: "a", input: [] }] }, ["runners", 0]],
  [{ runners: ["a"], url: "/relative" }, ["url"]],
  [{ runners: ["a"], runId: 1 }, ["runId"]],
  [{ runners: ["a"], input: "x" }, ["input"]],
  [null, []],
])("a body of the wrong shape, %j, is a 400 with issues", async (body, path) => {
  const { execute } = await serve({ runners: noted() });
  const response = await execute(body);
  expect(response.status).toBe(400);
  const error = await response.json();
  expect(error).toMatchObject({
    defined: false,
    code: "BAD_REQUEST",
    status: 400,
    message: "Input validation failed",
  });
  expect(error.data.issues[0]).toEqual({
    path,
    message: expect.any(String),
    code: expect.any(String),
  });
});

test.each([
  ["{", "application/json"],
  ["", "application/json"],
  [new Uint8Array([0x22, 0xff, 0x22]), "application/json"],
  ['{"runners":["a"]}', "text/plain"],
  ['{"runners":["a"]}', "application/x-www-form-urlencoded"],
])("%j as %s is a 400 that says it is malformed", async (body, type) => {
  const { base } = await serve({ runners: noted() });
  const headers = { "content-type": type };
  const response = await fetch(`${base}/execute`, { method: "POST", headers, body });
  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({
    defined: false,
    code: "BAD_REQUEST",
    status: 400,
    message: malformed,
  });
});

test.each(["application/json; charset=utf-8", "application/vnd.api+json", "APPLICATION/JSON"])(
  "%s is JSON",
  async (type) => {
    const { execute } = await serve({ runners: noted() });
    expect((await execute({ runners: ["a"] }, { "content-type": type })).status).toBe(200);
  },
);

test("a body over the limit is a 413, also one that does not say its length", async () => {
  const { base, execute, handler } = await serve({ runners: noted(), bodyLimit: 1000 });
  expect((await execute({ runners: ["a"], input: { x: "x".repeat(900) } })).status).toBe(200);
  const response = await execute({ runners: ["a"], input: { x: "x".repeat(1000) } });
  expect(response.status).toBe(413);
  expect(await response.json()).toEqual({
    defined: false,
    code: "PAYLOAD_TOO_LARGE",
    status: 413,
    message: "The request body is too large",
    data: { limit: 1000 },
  });

  let sent = 0;
  const long = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 100;
      controller.enqueue(new Uint8Array(100).fill(32));
      if (sent >= 100_000) controller.close();
    },
  });
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: long, duplex: "half" } as RequestInit;
  const streamed = await handler(new Request(`${base}/execute`, init));
  expect(streamed.status).toBe(413);
  expect(sent).toBeLessThan(1500);
});

test("an endless upload over real HTTP is answered with a 413 before it ends", async () => {
  const { request } = await import("node:http");
  const { base } = await serve({ runners: noted(), bodyLimit: 1000 });
  const status = await new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const sending = request(`${base}/execute`, { method: "POST", headers }, (response) => {
      clearInterval(writing);
      resolve(response.statusCode);
      sending.destroy();
    });
    sending.on("error", reject);
    const writing = setInterval(() => sending.write("x".repeat(500)), 5);
  });
  expect(status).toBe(413);
});
