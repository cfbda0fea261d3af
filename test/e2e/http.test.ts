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
  "echo",
  "executeSingleRunner",
  "exotic",
  "fail",
  "greet",
  "measure",
  "nap",
  "nothing",
  "orchestrateRunners",
  "sleepily",
  "slowly",
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

  test("refuses to be posted to", async () => {
    const { status, headers, body } = await send(api, {});
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe("GET");
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
    expect(headers.get("allow")).toBe("GET, POST");
    expect(body).toEqual({ error: "Method not allowed. Use GET or POST." });
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

describe("GET /api/orchestrator/{name}?runId=", () => {
  test("answers 202 while the run goes on", async () => {
    const runId = await startRun(server.url, "nap", { args: [60_000] });
    const { status, headers, body } = await send(`${api}/nap?runId=${runId}`);
    expect(status).toBe(202);
    expect(body).toEqual({ status: "running", runId });
    expect(headers.get("retry-after")).toBe("1");
  });

  test("long-polls until the end with ?wait=", async () => {
    const runId = await startRun(server.url, "nap", { args: [300] });
    const { status, body } = await send(`${api}/nap?runId=${runId}&wait=30`);
    expect(status).toBe(200);
    expect(body).toBe("rested");
  });

  test("answers 202 when the wait is over before the run", async () => {
    const runId = await startRun(server.url, "nap", { args: [60_000] });
    expect((await send(`${api}/nap?runId=${runId}&wait=0.2`)).status).toBe(202);
  });

  test.each(["-1", "abc", "301", "1e9"])("refuses ?wait=%s", async (wait) => {
    const { status, body } = await send(`${api}/nap?runId=wrun_x&wait=${wait}`);
    expect(status).toBe(400);
    expect(body.error).toMatch(/^wait must be a number of seconds from 0 to 300/);
  });

  test("answers 500 with the message of a run that failed, and no stack", async () => {
    const runId = await startRun(server.url, "fail", { args: ["no luck"] });
    const { status, body } = await finished(server.url, "fail", runId);
    expect(status).toBe(500);
    expect(body).toEqual({ status: "failed", runId, error: "no luck" });
  });

  test("answers null for a workflow that returns nothing", async () => {
    const runId = await startRun(server.url, "nothing", {});
    expect((await finished(server.url, "nothing", runId)).body).toBeNull();
  });

  test("writes what JSON cannot say as its nearest", async () => {
    const runId = await startRun(server.url, "exotic", {});
    expect((await finished(server.url, "exotic", runId)).body).toEqual({
      big: "12",
      map: { a: 1 },
      set: [1, 2],
      date: "1970-01-01T00:00:00.000Z",
    });
  });

  test.each([
    ["a run that is not there", "wrun_01M7X06WHCATXBPGH1M8EG0P5A"],
    ["what is no run id", "../../../etc/passwd"],
    ["an empty id", ""],
  ])("answers 404 for %s", async (_what, runId) => {
    const { status, body } = await send(`${api}/greet?runId=${encodeURIComponent(runId)}`);
    expect(status).toBe(404);
    expect(body.error).toContain("not found");
  });

  test("answers 404 for a run of another workflow", async () => {
    const runId = await startRun(server.url, "nothing", {});
    expect((await send(`${api}/greet?runId=${runId}`)).status).toBe(404);
  });
});

describe("the engine's own routes", () => {
  test.each(["flow", "step"])(
    "refuse a forged message to /%s, and start nothing",
    async (route) => {
      const forged = await send(
        `${server.url}/.well-known/workflow/v1/${route}`,
        { runId: "wrun_01M7X06WHCATXBPGH1M8EG0P5A" },
        {
          headers: {
            "x-vqs-queue-name": "__wkf_workflow_workflow//./workflows/basics//nothing",
            "x-vqs-message-id": "msg_01M7X06WHCATXBPGH1M8EG0P5A",
            "x-vqs-message-attempt": "1",
          },
        },
      );
      expect(forged.status).toBe(403);
      expect((await send(`${api}/nothing?runId=wrun_01M7X06WHCATXBPGH1M8EG0P5A`)).status).toBe(404);
    },
  );
});
