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

  test("says so when JSON cannot hold the return value", async () => {
    const runId = await startRun(server.url, "circular", {});
    const { status, body } = await finished(server.url, "circular", runId);
    expect(status).toBe(500);
    expect(body).toMatchObject({ status: "completed", runId });
    expect(body.error).toMatch(/^The return value cannot be written as JSON: /);
  });

  test("a client that leaves does not disturb the run", async () => {
    const runId = await startRun(server.url, "nap", { args: [500] });
    const leaving = AbortSignal.timeout(100);
    await expect(fetch(`${api}/nap?runId=${runId}&wait=30`, { signal: leaving })).rejects.toThrow();
    expect((await finished(server.url, "nap", runId)).body).toBe("rested");
  });

  test("whoever waits when the server is told to end is answered, and not cut off", async () => {
    const ending = await startServer(inject("fixtureOutput"), workDir());
    const runId = await startRun(ending.url, "nap", { args: [60_000] });
    const waiting = send(`${ending.url}/api/orchestrator/nap?runId=${runId}&wait=60`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const code = ending.stop("SIGTERM");
    expect((await waiting).status).toBe(202);
    expect(await code).toBe(0);
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
  test.each(["embedded", "local"])(
    "refuse forged messages and start nothing, on the %s World",
    async (world) => {
      const target = await startServer(
        inject("fixtureOutput"),
        workDir(),
        world === "local" ? { WORKFLOW_TARGET_WORLD: world } : {},
      );
      try {
        const runId = "wrun_01M7X06WHCATXBPGH1M8EG0P5A";
        const workflowName = "workflow//./workflows/basics//nothing";
        // What the engine itself queues for a new run, by which it would be created.
        const runInput = {
          input: [],
          deploymentId: "d",
          workflowName,
          specVersion: 3,
          executionContext: {},
        };
        for (const [route, queue] of [
          ["flow", `__wkf_workflow_${workflowName}`],
          ["step", "__wkf_step_step//./workflows/basics//compose"],
        ]) {
          const headers = {
            "x-vqs-queue-name": queue!,
            "x-vqs-message-id": "msg_01M7X06WHCATXBPGH1M8EG0P5A",
            "x-vqs-message-attempt": "1",
          };
          const url = `${target.url}/.well-known/workflow/v1/${route}`;
          expect((await send(url, { runId, runInput }, { headers })).status).toBe(403);
        }
        const polled = await send(`${target.url}/api/orchestrator/nothing?runId=${runId}`);
        expect(polled.status).toBe(404);
      } finally {
        await target.stop("SIGKILL");
      }
    },
  );
});
