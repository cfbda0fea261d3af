import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answered, requestFor, serveRunApi, type RunApi } from "../_support/run-api.ts";

let api: RunApi;

beforeEach(async () => {
  api = await serveRunApi();
});

afterEach(() => api.close());

const families = [
  ["seed 001's", "", ""],
  ["seed 000's", "/run", "/run"],
  ["the field's", "/orchestrator", "/orchestrator"],
] as const;

describe.each(families)("%s path family", (_whose, submit, below) => {
  test("submits, says where the run is, and answers with its status and results", async () => {
    const started = await api.send(submit, requestFor());
    expect(started.status).toBe(200);
    const { runId } = started.body;
    expect(started.body).toEqual({ runId: expect.stringMatching(/^wrun_/) });
    expect(started.headers.get("location")).toBe(`/api/orchestrator${below}/${runId}`);
    const status = await api.send(`${below}/${runId}/status`);
    expect(status.status).toBe(200);
    expect(status.body).toMatchObject({ runId, state: "queued", totalJobs: 1, completedJobs: 0 });
    const results = await api.send(`${below}/${runId}`);
    expect(results.status).toBe(200);
    expect(results.body).toMatchObject({ runId, state: "queued", jobs: [{ state: "queued" }] });
  });

  test("plans with ?mode=plan or mode plan, and starts nothing", async () => {
    for (const [query, body] of [
      ["?mode=plan", requestFor()],
      ["", { ...requestFor(), mode: "plan" }],
    ] as const) {
      const answer = await api.send(submit + query, body);
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({
        mode: "plan",
        plan: { mode: "remote", totalJobs: 1, steps: [{ region: "eu", runners: ["check"] }] },
      });
      expect(answer.headers.get("location")).toBeNull();
    }
    expect(api.started()).toBe(0);
  });
});

describe("status and results", () => {
  test("are live while the run goes, and final once it has ended", async () => {
    const runId = await api.submit(requestFor(["https://a.example"], ["eu", "us"]));
    const [first, second] = api.of(runId).input.jobs;
    api.journal(runId, answered(first!, "pass"));
    expect((await api.send(`/${runId}/status`)).body).toMatchObject({
      state: "running",
      totalJobs: 2,
      completedJobs: 1,
      failedJobs: 0,
    });
    const going = (await api.send(`/${runId}`)).body;
    expect(going).toMatchObject({ summary: { total: 1, passed: 1 }, jobs: [{ region: "eu" }, {}] });
    expect(going).not.toHaveProperty("outcome");
    api.journal(runId, answered(second!, "fail"));
    api.finish(runId);
    expect((await api.send(`/${runId}`)).body).toMatchObject({
      state: "completed",
      outcome: "partial",
      summary: { total: 2, passed: 1, failed: 1, errored: 0 },
      runners: { check: { eu: { passed: 1 }, us: { failed: 1 } } },
    });
  });

  test("of a job that failed: the run has failed", async () => {
    const runId = await api.submit(requestFor());
    const jobId = api.of(runId).input.jobs[0]!.id;
    api.journal(runId, { type: "job.failed", jobId, at: Date.now(), error: "unreachable" });
    api.finish(runId);
    expect((await api.send(`/${runId}/status`)).body).toMatchObject({
      state: "failed",
      failedJobs: 1,
    });
    expect((await api.send(`/${runId}`)).body.jobs[0]).toMatchObject({ error: "unreachable" });
  });

  test.each(["/status", ""])("wait with ?wait= for the end: %s", async (path) => {
    const runId = await api.submit(requestFor());
    const answer = api.send(`/${runId}${path}?wait=30`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = performance.now();
    api.finish(runId, "cancelled");
    expect((await answer).body.state).toBe("cancelled");
    expect(performance.now() - before).toBeLessThan(5000);
    expect((await api.send(`/${runId}${path}?wait=x`)).body.message).toMatch(/^wait must be/);
  });

  test("?wait= answers with what there is when its seconds are over", async () => {
    const runId = await api.submit(requestFor());
    expect((await api.send(`/${runId}/status?wait=0.05`)).body.state).toBe("queued");
  });

  test("HEAD is answered as GET without a body", async () => {
    const runId = await api.submit(requestFor());
    for (const path of [`/${runId}`, `/${runId}/status`, `/run/${runId}`, "/runs"]) {
      const response = await fetch(api.base + path, { method: "HEAD" });
      expect({ status: response.status, body: await response.text() }).toEqual({
        status: 200,
        body: "",
      });
    }
  });
});

describe("a caller's own runId", () => {
  test("is used verbatim in every URL, beside the engine's", async () => {
    const mine = "nightly-2026.11.20_~1";
    const started = await api.send("/run", { ...requestFor(), runId: mine });
    expect(started.body).toEqual({ runId: mine });
    expect(started.headers.get("location")).toBe(`/api/orchestrator/run/${mine}`);
    for (const id of [mine, api.of(mine).engineId]) {
      for (const path of [`/${id}`, `/run/${id}/status`, `/orchestrator/${id}`]) {
        expect((await api.send(path)).body.runId).toBe(mine);
      }
    }
  });

  test("with the same body returns the same run, started once, whatever the order of keys", async () => {
    const { mode, runners, regions } = requestFor();
    const first = await api.send("", { runId: "mine", mode, runners, regions });
    const second = await api.send("/run", { regions, runners, mode, runId: "mine" });
    expect([first.body, second.body]).toEqual([{ runId: "mine" }, { runId: "mine" }]);
    expect(api.started()).toBe(1);
  });

  test("with another body is a conflict", async () => {
    await api.send("", { ...requestFor(), runId: "mine" });
    const { status, body } = await api.send("", { ...requestFor(), runId: "mine", tags: ["x"] });
    expect(status).toBe(409);
    const message = 'runId "mine" was used before with another request';
    expect(body).toEqual({
      defined: false,
      code: "CONFLICT",
      status: 409,
      message,
      data: { issues: [{ path: ["runId"], message, code: "conflict" }] },
    });
    expect(api.started()).toBe(1);
  });
});

describe("an Idempotency-Key", () => {
  const headers = { "idempotency-key": "k1" };

  test("with the same body returns the same run, started once", async () => {
    const first = await api.send("", requestFor(), { headers });
    const second = await api.send("/orchestrator", requestFor(), { headers });
    expect(second.status).toBe(200);
    expect(second.body).toEqual(first.body);
    expect(api.started()).toBe(1);
  });

  test("with another body is a conflict, and one that is none a 400", async () => {
    await api.send("", requestFor(), { headers });
    const other = await api.send("", requestFor(["https://b.example"]), { headers });
    expect(other.status).toBe(409);
    expect(other.body).toMatchObject({
      code: "CONFLICT",
      message: 'Idempotency-Key "k1" was used before with another request',
    });
    const none = await api.send("", requestFor(), { headers: { "idempotency-key": "a b" } });
    expect(none.status).toBe(400);
    expect(none.body.message).toMatch(/^Idempotency-Key must be/);
  });
});

test("what was asked for reaches the run: mode, concurrency, deadline, policy, tags", async () => {
  const before = Date.now();
  const runId = await api.submit({
    runners: [{ name: "a", input: { url: "https://a.example", n: 1 } }],
    mode: "local",
    concurrency: 3,
    timeout: 60_000,
    tags: ["x", "y", "x"],
    failurePolicy: { quorum: 1 },
  });
  const { input, options } = api.of(runId);
  expect(input).toEqual({
    jobs: [
      {
        id: expect.stringMatching(/^job_[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/),
        url: "https://a.example",
        runners: [{ name: "a", input: { url: "https://a.example", n: 1 } }],
      },
    ],
    mode: "local",
    concurrency: 3,
    deadline: expect.any(Number),
    failurePolicy: { quorum: 1 },
  });
  expect(input.deadline! - before).toBeGreaterThanOrEqual(60_000);
  expect(input.deadline! - Date.now()).toBeLessThanOrEqual(60_000);
  expect(options.tags).toEqual(["x", "y"]);
});
