import { afterEach, beforeEach, expect, test } from "vitest";
import { answered, requestFor, serveRunApi, type RunApi } from "../_support/run-api.ts";

let api: RunApi;

beforeEach(async () => {
  api = await serveRunApi();
});

afterEach(() => api.close());

/** An ended run over these regions, whose jobs were answered with these statuses. */
async function endedRun(statuses: Record<string, string>): Promise<string> {
  const request = requestFor(["https://a.example"], Object.keys(statuses));
  const runId = await api.submit({ ...request, runId: "first", timeout: 5000, tags: ["old"] });
  const { jobs } = api.of(runId).input;
  api.journal(runId, ...jobs.map((job) => answered(job, statuses[job.region!])));
  api.finish(runId);
  return runId;
}

test("a rerun starts a run of the jobs that did not pass, with what the new request says", async () => {
  const rerun = await endedRun({ eu: "pass", us: "fail", ap: "error" });
  const more = { runId: "second", tags: ["new"], concurrency: 1, failurePolicy: "all" };
  const { status, headers, body } = await api.send("", { rerun, ...more });
  expect([status, body]).toEqual([200, { runId: "second" }]);
  expect(headers.get("location")).toBe("/api/orchestrator/second");
  const { input, options } = api.of("second");
  expect(input.jobs.map(({ region }) => region)).toEqual(["us", "ap"]);
  expect(input).toMatchObject({ mode: "remote", concurrency: 1, failurePolicy: "all" });
  expect(input).not.toHaveProperty("deadline");
  expect(options.tags).toEqual(["new"]);
  const before = api.of("first").input.jobs.map(({ id }) => id);
  expect(before).not.toContain(input.jobs[0]!.id);
});

test("the same rerun under the same id is the same run", async () => {
  const rerun = await endedRun({ eu: "fail" });
  const first = await api.send("", { rerun, runId: "second" });
  const second = await api.send("", { rerun, runId: "second" });
  expect(second.body).toEqual(first.body);
  expect(api.started()).toBe(2);
});

test("a rerun can be planned first", async () => {
  const rerun = await endedRun({ eu: "pass", us: "fail" });
  const { body } = await api.send("?mode=plan", { rerun });
  expect(body.plan.steps).toMatchObject([{ region: "us" }]);
  expect(api.started()).toBe(1);
});

test("a quorum is one of the jobs that are run again", async () => {
  const rerun = await endedRun({ eu: "pass", us: "fail" });
  const { status, body } = await api.send("", { rerun, failurePolicy: { quorum: 2 } });
  expect(status).toBe(400);
  expect(body.message).toContain("number of jobs, 1");
});

test("a rerun keeps the mode, and refuses another", async () => {
  const rerun = await endedRun({ eu: "fail" });
  expect((await api.send("", { rerun, mode: "remote" })).status).toBe(200);
  const { status, body } = await api.send("", { rerun, mode: "local" });
  expect(status).toBe(400);
  expect(body.message).toBe("mode must be 'remote', as in the run that is run again");
});

test.each(["nobody", "a b", "../first"])("a rerun of an unknown run is 404: %s", async (rerun) => {
  const { status, body } = await api.send("", { rerun });
  expect([status, body.code]).toEqual([404, "NOT_FOUND"]);
  expect(body.message).toBe(`Run "${rerun}" not found`);
  expect(body.data.issues[0].path).toEqual(["rerun"]);
});

test("a rerun of a run that goes on is 409", async () => {
  const rerun = await api.submit(requestFor());
  const { status, body } = await api.send("", { rerun });
  expect([status, body.code]).toEqual([409, "CONFLICT"]);
  expect(body.message).toBe(`Run "${rerun}" has not ended yet`);
});

test("a rerun of a run whose every job passed is 409", async () => {
  const rerun = await endedRun({ eu: "pass" });
  const { status, body } = await api.send("", { rerun });
  expect([status, body.code]).toEqual([409, "CONFLICT"]);
  expect(body.message).toBe('Every job of run "first" passed');
});
