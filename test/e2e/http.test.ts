import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { finished, send, startRun } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";

let server: TestServer;
let api: string;

beforeAll(async () => {
  server = await startServer(inject("fixtureOutput"), workDir());
  api = `${server.url}/api/orchestrator`;
});

afterAll(() => server.stop("SIGKILL"));

const names = [
  "approval",
  "cancel",
  "circular",
  "collect",
  "echo",
  "executeSingleRunner",
  "exotic",
  "fail",
  "greet",
  "heedsRunner",
  "measure",
  "nap",
  "nothing",
  "orchestrateRunners",
  "retrying",
  "run",
  "sleeper",
  "sleepily",
  "slowly",
  "slowlyAtOnce",
  "spread",
  "spreadBadly",
  "spreadInSteps",
  "spreadSideBySide",
  "spreadTwice",
  "toString",
  "trustsItsCaller",
];

describe("GET /api/orchestrator", () => {
  test("lists the workflows by name and says how to start one", async () => {
    const { status, body } = await send(api);
    expect(status).toBe(200);
    expect(body.orchestrators).toEqual(names);
    expect(body.usage).toEqual({
      method: "POST",
      endpoint: "/api/orchestrator/{orchestratorName}",
    });
    expect(body.workflows.find((w: { name: string }) => w.name === "greet")).toEqual({
      name: "greet",
      endpoint: "/api/orchestrator/greet",
      file: "workflows/basics.ts",
      description: "Greets somebody.\n\nAs often as asked.",
    });
  });

  test("answers 405 with Allow for other methods", async () => {
    const { status, headers, body } = await send(api, undefined, { method: "DELETE" });
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe("GET, HEAD, POST");
    expect(body.error).toBe("Method not allowed. Use GET or POST.");
  });
});

describe("GET /api/orchestrator/{name}", () => {
  test("describes the workflow with its file, doc comment and input schema", async () => {
    const { status, body } = await send(`${api}/greet`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      name: "greet",
      endpoint: "/api/orchestrator/greet",
      file: "workflows/basics.ts",
      description: "Greets somebody.\n\nAs often as asked.",
      input: {
        type: "object",
        properties: { name: { type: "string", minLength: 1 } },
        required: ["name"],
      },
    });
    expect(body.line).toBeGreaterThan(1);
  });

  test("answers 400 with the known names for an unknown one, whatever the method", async () => {
    for (const body of [undefined, {}]) {
      const answer = await send(`${api}/nobody`, body);
      expect(answer.status).toBe(400);
      expect(answer.body).toEqual({
        error: 'Orchestrator "nobody" not found',
        availableOrchestrators: names,
      });
    }
  });

  test("does not take an inherited property for a workflow", async () => {
    expect((await send(`${api}/constructor`, {})).status).toBe(400);
    expect((await send(`${api}/__proto__`)).status).toBe(400);
  });

  test("answers 405 with Allow for other methods", async () => {
    const { status, headers, body } = await send(`${api}/greet`, undefined, { method: "DELETE" });
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe("GET, HEAD, POST");
    expect(body).toEqual({ error: "Method not allowed. Use GET or POST." });
  });

  test("takes a name in percent encoding, and answers HEAD without a body", async () => {
    expect((await send(`${api}/%65cho`)).body.name).toBe("echo");
    for (const url of [api, `${api}/echo`]) {
      const response = await fetch(url, { method: "HEAD" });
      expect({ status: response.status, body: await response.text() }).toEqual({
        status: 200,
        body: "",
      });
    }
  });

  test("does not take what every object has for an input schema", async () => {
    expect((await send(`${api}/toString`)).body.input).toBeUndefined();
    expect((await send(`${api}/toString`, {})).status).toBe(200);
  });

  test("answers 404 below a workflow", async () => {
    expect((await send(`${api}/greet/more/of/it`)).status).toBe(404);
  });
});

describe("POST /api/orchestrator/{name}", () => {
  test("starts a run, says where to poll, and the poll answers with the return value", async () => {
    const { status, headers, body } = await send(`${api}/greet`, { input: { name: "Ada" } });
    expect(status).toBe(200);
    expect(body).toEqual({
      runId: expect.stringMatching(/^wrun_/),
      orchestrator: "greet",
      status: "started",
    });
    expect(headers.get("location")).toBe(`/api/orchestrator/greet?runId=${body.runId}`);
    const end = await finished(server.url, "greet", body.runId);
    expect(end.status).toBe(200);
    // The default of `times` is filled in: a workflow gets what its schema made of the input.
    expect(end.body).toEqual({ greeting: "Hello, Ada!", times: 1 });
  });

  test("passes {jobs, options} as (jobs, options) with the handles injected", async () => {
    const runId = await startRun(server.url, "echo", {
      jobs: [{ a: 1 }],
      options: { region: "eu" },
    });
    expect((await finished(server.url, "echo", runId)).body).toEqual([
      [{ a: 1 }],
      {
        region: "eu",
        registry: { kind: "server-registry", name: "default" },
        loadBalancer: { kind: "load-balancer", name: "default" },
      },
    ]);
  });

  test.each([
    ["{job} as a list of one", { job: { a: 1 } }, [{ a: 1 }]],
    ["{input} as it is", { input: "text" }, "text"],
    ["an empty body as no jobs", "", []],
  ])("passes %s", async (_what, body, first) => {
    const runId = await startRun(server.url, "echo", body);
    expect((await finished(server.url, "echo", runId)).body[0]).toEqual(first);
  });

  test("spreads {args}", async () => {
    const runId = await startRun(server.url, "echo", { args: [1, "two", null] });
    expect((await finished(server.url, "echo", runId)).body).toEqual([1, "two", null]);
  });

  test.each([
    ["zod", "greet", { input: { name: "" } }, ["input", "name"]],
    ["zod, an absent input", "greet", {}, ["input"]],
    ["valibot", "measure", { input: { size: 0 } }, ["input", "size"]],
  ])(
    "answers 400 with the path of what the schema refuses: %s",
    async (_what, name, body, path) => {
      const answer = await send(`${api}/${name}`, body);
      expect(answer.status).toBe(400);
      expect(answer.body.error).toBe("Input validation failed");
      expect(answer.body.issues[0].path).toEqual(path);
      expect(answer.body.issues[0].message).toBeTypeOf("string");
    },
  );

  test.each([
    ["malformed JSON", "{", {}, 400, /not valid JSON/],
    ["a body that is no object", "[]", {}, 400, /must be a JSON object/],
    [
      "a wrong content type",
      "a=1",
      { "content-type": "application/x-www-form-urlencoded" },
      415,
      /application\/json/,
    ],
    ["an unknown field", { foo: 1 }, {}, 400, /^foo is not expected/],
    ["jobs that are no array", { jobs: {} }, {}, 400, /^jobs must be an array/],
    ["a job that is no object", { jobs: [{}, 3] }, {}, 400, /^jobs\[1\] must be an object/],
    ["options that are no object", { jobs: [], options: 1 }, {}, 400, /^options must be an object/],
    ["two kinds of arguments", { jobs: [], input: 1 }, {}, 400, /^input cannot stand beside jobs/],
    [
      "a nesting that is too deep",
      `{"input":${"[".repeat(200)}${"]".repeat(200)}}`,
      {},
      400,
      /nested deeper/,
    ],
    [
      "a __proto__ key, which names its place",
      '{"input":{"a":[{"__proto__":{}}]}}',
      {},
      400,
      /^The key "__proto__" is not allowed/,
    ],
    ["a page of another site", {}, { "sec-fetch-site": "cross-site" }, 403, /another site/],
    ["an idempotency key that is none", {}, { "idempotency-key": "a b" }, 400, /^Idempotency-Key/],
  ])("refuses %s and says what was expected", async (_what, body, headers, status, error) => {
    const answer = await send(`${api}/echo`, body, { headers: headers as Record<string, string> });
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatch(error);
    expect(answer.body.runId).toBeUndefined();
  });

  test("refuses jobs for a workflow with an input schema, which would pass it by", async () => {
    const answer = await send(`${api}/greet`, { args: [{ name: "" }] });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatch(/^args is not expected: "greet" has an input schema/);
  });

  test("refuses bytes that are no UTF-8", async () => {
    const body = new Uint8Array([0x22, 0xc3, 0x28, 0x22]);
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${api}/echo`, { method: "POST", body, headers });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: "The body is not valid UTF-8" });
  });

  test("answers 413 for a body over 1 MiB, announced or not", async () => {
    const big = JSON.stringify({ input: "x".repeat(1024 * 1024) });
    const announced = await send(`${api}/echo`, big);
    expect(announced.status).toBe(413);
    expect(announced.body).toEqual({
      error: "The body is larger than 1048576 bytes",
      limit: 1048576,
    });
    const status = await sendChunks(`${api}/echo`, 32, 64 * 1024);
    expect(status).toBe(413);
    expect((await send(api)).status).toBe(200);
  });

  test("gives the single job to a workflow that takes one, and refuses several", async () => {
    const answer = await send(`${api}/executeSingleRunner`, { jobs: [{}, {}] });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatch(/takes a single one \(got 2\)/);
  });
});

/** Sends a chunked body, whose length no header announces, and answers with the status. */
function sendChunks(url: string, chunks: number, size: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const outgoing = request(url, { method: "POST", headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
      outgoing.destroy();
    });
    outgoing.on("error", reject);
    for (let i = 0; i < chunks; i++) outgoing.write("x".repeat(size));
    outgoing.end();
  });
}
