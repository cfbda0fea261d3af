import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { send } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";
import { createRawClient, type RawAnswer } from "../_support/fuzz/client.ts";
import { regionalRun, startHeldServer, type HeldServer } from "../_support/held-server.ts";

let server: TestServer;
let runner: HeldServer;
let runs: string;

beforeAll(async () => {
  runner = await startHeldServer();
  server = await startServer(inject("fixtureOutput"), workDir(), {
    PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runner.url }),
  });
  runs = `${server.url}/api/orchestrator/runs`;
});

afterAll(async () => {
  await server?.stop("SIGKILL");
  await runner?.close();
});

const remove = (id: string) => send(`${runs}/${id}`, undefined, { method: "DELETE" });

describe("POST /runs", () => {
  const request = regionalRun(["fast"]);
  const { mode: _, ...modeless } = request as { mode: string };

  test("plans where neither the body nor the query names a mode, and where one says plan", async () => {
    for (const [query, body] of [
      ["", modeless],
      ["?mode=plan", modeless],
      ["?mode=plan", request],
      ["", { ...request, mode: "plan" }],
    ] as const) {
      const answer = await send(runs + query, body);
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({
        mode: "plan",
        plan: { steps: [{ region: "eu", server: "eu", shard: 0 }] },
      });
    }
    const nothing = await send(runs, undefined, { method: "POST" });
    expect([nothing.status, nothing.body.plan.steps]).toEqual([200, []]);
  });

  test("starts the workflow run, keeping owner, metadata and tags", async () => {
    const answer = await send(
      runs,
      { ...request, tags: ["nightly"], metadata: { ticket: 7 } },
      { headers: { "x-actor-id": "ada" } },
    );
    expect(answer.status).toBe(201);
    const { runId } = answer.body;
    expect(answer.body).toEqual({ runId });
    expect(answer.headers.get("location")).toBe(`/api/orchestrator/runs/${runId}`);
    await send(`${server.url}/api/orchestrator/${runId}?wait=20`);
    const { status, body } = await send(`${runs}/${runId}`);
    expect(status).toBe(200);
    expect(body.run).toMatchObject({
      id: runId,
      workflow: "run",
      mode: "remote",
      status: "completed",
      owner: "ada",
      metadata: { ticket: 7 },
      tags: ["nightly"],
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      completedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  test("says what of a run over regions failed", async () => {
    const regions = ["eu", "mars"];
    const { body } = await send(runs, { ...request, regions });
    await send(`${server.url}/api/orchestrator/${body.runId}?wait=20`);
    const { run } = (await send(`${runs}/${body.runId}`)).body;
    expect(run).toMatchObject({ status: "failed", error: "1 of 2 jobs failed" });
  });

  test("takes the mode from the query, and a run request in input", async () => {
    for (const [query, body] of [
      ["?mode=remote", modeless],
      ["", { workflow: "run", input: request, tags: ["x"] }],
    ] as const) {
      const { status, body: answer } = await send(runs + query, body);
      expect(status).toBe(201);
      const { body: results } = await send(
        `${server.url}/api/orchestrator/${answer.runId}?wait=20`,
      );
      expect(results.state).toBe("completed");
    }
  });

  test("starts any other workflow, once under a key", async () => {
    const body = { workflow: "sleeper", input: 600, tags: ["t"], metadata: { a: 1 } };
    const headers = { "idempotency-key": "other-1", "x-actor-id": "bob" };
    const [one, two] = await Promise.all([
      send(runs, body, { headers }),
      send(runs, body, { headers }),
    ]);
    expect([one.status, two.status]).toEqual([201, 201]);
    expect(one.body).toEqual(two.body);
    const { run } = (await send(`${runs}/${one.body.runId}`)).body;
    expect(run).toMatchObject({ workflow: "sleeper", mode: "workflow", owner: "bob", tags: ["t"] });
    const other = await send(runs, { ...body, metadata: { a: 2 } }, { headers });
    expect(other.status).toBe(409);
    await remove(one.body.runId);
  });

  test.each([
    ["?mode=yaml", modeless, "mode must be one of"],
    ["", { ...request, mode: "yaml" }, "mode must be one of"],
    ["?mode=remote", {}, "runners is required"],
    ["", { ...request, metadata: 7 }, "metadata must be an object"],
    ["", { ...request, metadata: { a: "x".repeat(17_000) } }, "metadata must have at most"],
    ["", { ...request, tags: "x" }, "tags must be an array"],
    ["", { workflow: "nope", input: 1 }, 'Orchestrator "nope" not found'],
    ["", { workflow: 7 }, "workflow must be a string"],
    ["?mode=remote", { workflow: "sleeper", input: 1 }, "mode cannot stand beside workflow"],
    ["", { workflow: "sleeper", input: 1, tags: [7] }, "tags[0] must be a string"],
    ["", { workflow: "run", input: [] }, "input must be an object"],
    ["", { mode: "remote", input: request }, "mode stands in input too"],
    ["", { ...request, callback: { url: "ftp://x" } }, "callback.url must be an absolute http(s)"],
    ["", { ...request, extra: 1 }, "extra is not expected"],
    [
      "",
      { workflow: "sleeper", input: 1, extra: 1 },
      "a workflow is called with {jobs, job, input",
    ],
  ])("%s %j is refused, naming the field", async (query, body, message) => {
    const answer = await send(runs + query, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toContain(message);
  });

  test("refuses an actor that is none", async () => {
    const answer = await send(runs, request, { headers: { "x-actor-id": "x".repeat(201) } });
    expect([answer.status, answer.body.error]).toEqual([
      400,
      "X-Actor-Id must be 1 to 200 visible ASCII characters",
    ]);
  });
});

describe("DELETE /runs/{id}", () => {
  test("cancels once, and says so again; what had ended otherwise stays", async () => {
    const { runId } = (await send(runs, { workflow: "sleeper", input: 600 })).body;
    for (let time = 0; time < 2; time++) {
      const { status, body } = await remove(runId);
      expect([status, body]).toEqual([200, { ok: true, status: "canceled" }]);
    }
    expect((await send(`${runs}/${runId}`)).body.run.status).toBe("canceled");
    const ended = (await send(runs, { workflow: "sleeper", input: 0 })).body.runId;
    await send(`${server.url}/api/orchestrator/sleeper?runId=${ended}&wait=20`);
    const { status, body } = await remove(ended);
    expect([status, body]).toEqual([
      409,
      { error: "invalid status transition", from: "completed", to: "canceled" },
    ]);
  });

  test("aborts the attempts in flight of a run over regions, whose jobs are cancelled", async () => {
    const { runId } = (await send(runs, { ...regionalRun(["slow-1", "slow-2"]), runId: "mine" }))
      .body;
    expect(runId).toBe("mine");
    await expect.poll(() => runner.inFlight()).toBe(2);
    expect((await remove("mine")).status).toBe(200);
    await expect.poll(() => runner.aborted.length, { timeout: 2000 }).toBe(2);
    const { body } = await send(`${server.url}/api/orchestrator/mine?wait=5`);
    expect(body.jobs.map(({ state }: { state: string }) => state)).toEqual([
      "cancelled",
      "cancelled",
    ]);
    expect((await send(`${runs}/mine`)).body.run).toMatchObject({ id: "mine", status: "canceled" });
  });
});

test("a cancel aborts the attempt of a job that a workflow executes by itself", async () => {
  const job = { url: "https://x.test/slow-own", region: "eu", runners: ["check"] };
  const { body } = await send(runs, { workflow: "orchestrateRunners", jobs: [job] });
  await expect.poll(() => runner.inFlight()).toBe(1);
  expect((await remove(body.runId)).status).toBe(200);
  await expect.poll(() => runner.aborted, { timeout: 2000 }).toContain(job.url);
});

test("an unknown run is a 404 everywhere, and another method a 405", async () => {
  for (const id of ["wrun_01K6ZQ7T2E9M4V8XH3B5N0RCDA", "nobody", "%2e%2e%2fetc", "x".repeat(300)]) {
    for (const path of ["", "/checkpoints", "/events"]) {
      const { status, body } = await send(`${runs}/${id}${path}`);
      expect([status, body]).toEqual([404, { error: "run not found" }]);
    }
    expect((await remove(id)).body).toEqual({ error: "run not found" });
  }
  const put = await send(runs, {}, { method: "PUT" });
  expect([put.status, put.headers.get("allow")]).toEqual([405, "GET, HEAD, POST"]);
  const patch = await send(`${runs}/x/events`, {}, { method: "PATCH" });
  expect([patch.status, patch.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  expect((await send(`${runs}/x/y/z`)).status).toBe(404);
});

test("a Host header that is none is a 400", async () => {
  const client = createRawClient(server.url);
  for (const path of ["", "/runs", "/health", "/greet"]) {
    const answer = await client.send({
      method: "GET",
      target: `/api/orchestrator${path}`,
      headers: [["Host", "nowhere.example:99999"]],
      framing: "length",
    });
    expect(answer).toMatchObject({ kind: "answer", status: 400 });
    const { body } = answer as Extract<RawAnswer, { kind: "answer" }>;
    expect(body.toString()).toBe('{"error":"The Host header is not valid"}');
  }
  client.close();
});
