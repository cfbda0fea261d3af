import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serviceRunSchema } from "../../src/http/service-schemas.ts";
import { answered, requestFor, sendRaw, serveRunApi, type RunApi } from "../_support/run-api.ts";

let api: RunApi;

beforeEach(async () => {
  api = await serveRunApi(["greet", "plan"]);
});

afterEach(() => api.close());

const notFound = (id: string, field = "runId") => {
  const message = `Run "${id}" not found`;
  return {
    defined: false,
    code: "NOT_FOUND",
    status: 404,
    message,
    data: { issues: [{ path: [field], message, code: "not_found" }] },
  };
};

describe("the workflow run", () => {
  test("is listed among the discovered ones, and described", async () => {
    const { body } = await api.send("");
    expect(body.orchestrators).toEqual(["greet", "plan", "run"]);
    expect(body.workflows.at(-1)).toMatchObject({ name: "run", endpoint: "/api/orchestrator/run" });
    const described = await api.send("/run");
    expect(described.body).toMatchObject({
      name: "run",
      body: "runners",
      input: { type: "object", properties: { runners: { type: "array" }, failurePolicy: {} } },
    });
  });

  test("is polled with ?runId= like all others, by the caller's own id too", async () => {
    const runId = await api.submit({ ...requestFor(), runId: "mine" });
    const going = await api.send(`/run?runId=${runId}`);
    expect([going.status, going.body]).toEqual([202, { status: "running", runId }]);
    api.journal(runId, answered(api.of(runId).input.jobs[0]!));
    api.finish(runId);
    for (const id of [runId, api.of(runId).engineId]) {
      const { status, body } = await api.send(`/run?runId=${id}`);
      expect(status).toBe(200);
      expect(body).toMatchObject({ state: "completed", summary: { passed: 1 } });
    }
    for (const id of ["nobody", "a%20b", "..%2F..", ""]) {
      expect((await api.send(`/run?runId=${id}`)).status).toBe(404);
    }
  });
});

describe("an id that no run has", () => {
  test.each([
    "my-run",
    "wrun_1",
    "run_1",
    "2",
    "a.b",
    "a%20b",
    "%C3%A4-%E2%9C%93",
    "x".repeat(200) + "-",
  ])("is 404 on every path: %s", async (encoded) => {
    const id = decodeURIComponent(encoded);
    for (const path of ["", "/run", "/orchestrator"]) {
      for (const end of ["", "/status"]) {
        const { status, body } = await api.send(`${path}/${encoded}${end}`);
        expect([status, body]).toEqual([404, notFound(id)]);
      }
    }
  });

  test("and is spelled as a workflow's name is, where that would stand, an unknown workflow", async () => {
    for (const name of ["nobody", "größe", "constructor", "__proto__", "$1"]) {
      const { status, body } = await api.send(`/${encodeURIComponent(name)}`);
      expect([status, body]).toEqual([
        400,
        {
          error: `Orchestrator "${name}" not found`,
          availableOrchestrators: ["greet", "plan", "run"],
        },
      ]);
      expect((await api.send(`/${encodeURIComponent(name)}/status`)).status).toBe(404);
    }
    expect((await api.send("/no-name?runId=1")).body.error).toBe(
      'Orchestrator "no-name" not found',
    );
    expect((await api.send("/no-name", {})).body.error).toBe('Orchestrator "no-name" not found');
  });

  test("a run of any spelling is found, also one like a workflow's name", async () => {
    for (const runId of ["nobody", "constructor", "run_1", "7"]) {
      await api.submit({ ...requestFor(), runId });
      expect((await api.send(`/${runId}`)).body).toMatchObject({ runId, state: "queued" });
    }
  });

  test("the run of another workflow says with which path it is polled", async () => {
    const runId = "wrun_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    api.add({ runId, workflowId: "workflow//./workflows/greet//greet", state: "running" });
    for (const path of [`/${runId}`, `/run/${runId}`, `/${runId}/status`]) {
      const { status, body } = await api.send(path);
      expect([status, body.code]).toEqual([404, "NOT_FOUND"]);
      expect(body.message).toBe(
        `Run "${runId}" is one of workflow "greet": poll it with GET /api/orchestrator/greet?runId=${runId}`,
      );
    }
  });
});

test("the list of runs answers with a slash at its end, and to HEAD", async () => {
  expect((await api.send("/runs/")).body).toEqual({ runs: [] });
  expect((await api.send("/runs?limit=0")).status).toBe(400);
  expect((await api.send("/runs", undefined, { method: "HEAD" })).body).toBeUndefined();
});

describe("a path", () => {
  test.each([
    "/%",
    "/%zz",
    "/%C3%28",
    "/%/status",
    "/run/%",
    "/run/%ff/status",
    "/orchestrator/%E0%A4%A",
  ])("with a malformed encoding is 400: %s", async (path) => {
    for (const method of ["GET", "POST"]) {
      const { status, text } = await sendRaw(api.base, `/api/orchestrator${path}`, method);
      expect([status, text]).toEqual([400, expect.stringContaining("percent encoding")]);
    }
  });

  test("may be percent-encoded, and end in a slash", async () => {
    const started = await api.send("/%72un", { ...requestFor(), runId: "a-b" });
    expect(started.body).toEqual({ runId: "a-b" });
    for (const path of [
      "/%61-b",
      "/a-b/",
      "/run/a%2Db",
      "/%6Frchestrator/a-b/status",
      "/a-b/status/",
    ]) {
      expect((await api.send(path)).body.runId).toBe("a-b");
    }
  });

  test("is decoded once", async () => {
    await api.submit({ ...requestFor(), runId: "a-b" });
    expect((await api.send("/%2561-b")).body).toEqual(notFound("%61-b"));
  });

  test.each([
    ["DELETE", "", "GET, HEAD, POST"],
    ["PUT", "/run", "GET, HEAD, POST"],
    ["GET", "/orchestrator", "POST"],
    ["PUT", "/runs", "GET, HEAD, POST"],
    ["POST", "/a-b/status", "GET, HEAD"],
    ["DELETE", "/run/a-b", "GET, HEAD"],
    ["PATCH", "/orchestrator/a-b/status", "GET, HEAD"],
    ["DELETE", "/a-b", "GET, HEAD, POST"],
  ])("answers 405 with Allow: %s %s", async (method, path, allow) => {
    const { status, headers } = await api.send(path, undefined, { method });
    expect([status, headers.get("allow")]).toEqual([405, allow]);
  });

  test("of nothing is 404", async () => {
    for (const path of ["/greet/more", "/a/b/c", "/run/a/b", "/run/a/status/more", "/a/status/b"]) {
      expect((await api.send(path)).status).toBe(404);
      expect((await api.send(path, {})).status).toBe(404);
    }
  });
});

describe("POST /plan", () => {
  test("answers with the plan, and starts nothing", async () => {
    const other = await serveRunApi(["greet"]);
    const { status, body } = await other.send("/plan", { runners: requestFor().runners });
    expect(status).toBe(200);
    expect(body.plan).toMatchObject({
      mode: "local",
      totalJobs: 1,
      steps: [{ runners: ["check"] }],
    });
    expect((await other.send("/plan", { ...requestFor(), mode: "local" })).status).toBe(400);
    const [missing, wrong] = [await other.send("/plan", {}), await other.send("/plan")];
    expect([missing.status, missing.body.code]).toEqual([400, "BAD_REQUEST"]);
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
    expect(other.started()).toBe(0);
    await other.close();
  });

  test("is a discovered workflow's where one has the name", async () => {
    expect((await api.send("/plan", { jobs: [] })).body).toMatchObject({ orchestrator: "plan" });
    expect((await api.send("/plan")).body.file).toBe("workflows/plan.ts");
  });
});

describe("GET /runs", () => {
  test("lists runs, the newest first, by every filter, page by page", async () => {
    for (const n of [1, 2, 3]) {
      await api.submit({ ...requestFor(), runId: `r-${n}`, tags: n === 2 ? ["x"] : [] });
    }
    api.finish("r-1", "cancelled");
    const ids = async (query: string) =>
      (await api.send(`/runs${query}`)).body.runs.map(({ id }: { id: string }) => id);
    expect(await ids("")).toEqual(["r-3", "r-2", "r-1"]);
    expect(await ids("?tag=x")).toEqual(["r-2"]);
    expect(await ids("?state=cancelled&workflow=run")).toEqual(["r-1"]);
    expect(await ids("?workflow=greet")).toEqual([]);
    expect(await ids("?owner=nobody")).toEqual([]);
    const { createdAt } = (await api.send("/runs?tag=x")).body.runs[0];
    const hour = 3_600_000;
    const time = Date.parse(createdAt);
    for (const since of [createdAt, time, `${createdAt.slice(0, 10)}`, "1970-01-01T00:00Z"]) {
      expect(await ids(`?tag=x&since=${since}`), since).toEqual(["r-2"]);
      expect(await ids(`?tag=x&until=${since}`), since).toEqual([]);
    }
    const elsewhere = new Date(time + 2 * hour).toISOString().replace("Z", "+02:00");
    const [at, later] = [elsewhere, new Date(time + 1).toISOString()].map(encodeURIComponent);
    expect(await ids(`?tag=x&since=${at}&until=${later}`)).toEqual(["r-2"]);
    const { cursor } = (await api.send("/runs?limit=2")).body;
    expect(await ids(`?limit=2&cursor=${cursor}`)).toEqual(["r-1"]);
  });

  test("spells states as the service does", async () => {
    const spelled = {
      queued: "pending",
      completed: "completed",
      failed: "failed",
      timed_out: "failed",
      cancelled: "canceled",
    } as const;
    for (const [state, status] of Object.entries(spelled)) {
      const id = `spelled-${state}`;
      await api.submit({ ...requestFor(), runId: id, tags: ["spelled"] });
      if (state !== "queued") api.finish(id, state as "failed");
      const { runs } = (await api.send(`/runs?tag=spelled&state=${state}`)).body;
      expect(runs).toEqual([
        {
          id,
          workflow: "run",
          mode: "remote",
          status,
          state,
          tags: ["spelled"],
          createdAt: expect.any(String),
          ...(state !== "queued" && { completedAt: expect.any(String) }),
        },
      ]);
      expect(serviceRunSchema.safeParse(runs[0]).success).toBe(true);
      expect(serviceRunSchema.safeParse({ ...runs[0], more: 1 }).success).toBe(false);
    }
  });

  test.each([
    ["state=done", "state"],
    ["limit=0", "limit"],
    ["limit=101", "limit"],
    ["limit=1e1", "limit"],
    ["cursor=", "cursor"],
    ["cursor=a%20b", "cursor"],
    ["tags=x", "tags"],
    ["tag=x&tag=y", "tag"],
    ["since=yesterday", "since"],
    ["since=", "since"],
    ["until=2026-13-01", "until"],
    ["until=2026-11-20T09:00:00", "until"],
    ["until=-1", "until"],
  ])("refuses ?%s, naming it", async (query, field) => {
    const { status, body } = await api.send(`/runs?${query}`);
    expect(status).toBe(400);
    expect(body.error).toMatch(new RegExp(`^${field} `));
    expect(body.issues[0].path).toEqual([field]);
  });
});
