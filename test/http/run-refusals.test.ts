import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requestFor, serveRunApi, type RunApi } from "../_support/run-api.ts";

let api: RunApi;

beforeAll(async () => {
  api = await serveRunApi();
});

afterAll(() => api.close());

const valid = requestFor();
const [runner] = valid.runners!;

/** A valid request with its one runner changed. */
const withRunner = (change: object) => ({ ...valid, runners: [{ ...runner, ...change }] });

describe("400 names the field, in the form with issues, and starts nothing:", () => {
  /** Starts nothing, and answers with one issue whose path is the field that the message names. */
  async function refused(body: unknown, message: string, field = message.split(" ")[0]!) {
    const answer = await api.send("", body);
    expect(answer.body).toMatchObject({
      defined: false,
      code: "BAD_REQUEST",
      status: 400,
      message,
    });
    expect(answer.status).toBe(400);
    const path = field.split(/[.[\]]+/).filter(Boolean);
    expect(answer.body.data.issues).toEqual([
      {
        path: path.map((part) => (/^\d+$/.test(part) ? Number(part) : part)),
        message: expect.any(String),
        code: expect.any(String),
      },
    ]);
    expect(api.started()).toBe(0);
  }

  test.each<[string, object, string]>([
    ["that is missing its name", { name: undefined }, "name is required"],
    ["whose name is no text", { name: 7 }, "name must be a string"],
    ["whose name is empty", { name: "" }, "name must have at least 1 character"],
    ["with a line break", { name: "a\nb" }, "name must not contain control characters"],
    ["with half a character", { name: "a\uD800" }, "name must not contain control characters"],
    ["whose input is a list", { input: [1] }, "input must be an object"],
    ["whose region is no text", { region: {} }, "region must be a string"],
    ["with a field we do not know", { server: "http://x" }, "server is not expected"],
  ])("a runner %s", async (_what, change, message) => {
    await refused(withRunner(change), `runners[0].${message}`);
  });

  test.each<[string, object, string]>([
    [
      "no runners",
      { runners: undefined },
      "runners is required: at least one {name, region, input}",
    ],
    ["no runners in the list", { runners: [] }, "runners must have at least 1 entry"],
    ["no list of runners", { runners: "check" }, "runners must be an array"],
    ["a runner's name alone", { runners: ["check"] }, "runners[0] must be an object"],
    ["a runner that is null", { runners: [null] }, "runners[0] must be an object"],
    ["a field we do not know", { regoins: [] }, "regoins is not expected"],
    ["a field every object has", { constructor: 1 }, "constructor is not expected"],
    [
      "no mode",
      { mode: undefined },
      "mode is required: one of 'local', 'remote', 'redis', 'postgres', 'k8s', 'plan'",
    ],
    [
      "a mode there is not",
      { mode: "ssh" },
      "mode must be one of 'local', 'remote', 'redis', 'postgres', 'k8s', 'plan'",
    ],
    [
      "a mode without its executor",
      { mode: "redis" },
      "mode 'redis' has no executor here: set ORCHESTRATOR_REDIS_URL or the option orchestrator.executors.redis, and install bullmq and ioredis",
    ],
    [
      "another",
      { mode: "postgres" },
      "mode 'postgres' has no executor here: set ORCHESTRATOR_POSTGRES_URL, or the option orchestrator.executors.postgres, and install pg and graphile-worker",
    ],
    [
      "the third",
      { mode: "k8s" },
      "mode 'k8s' has no executor here: set ORCHESTRATOR_KUBERNETES, or the option orchestrator.executors.kubernetes, and install @kubernetes/client-node",
    ],
    ["no region in the list", { regions: [] }, "regions must have at least 1 entry"],
    ["no jobs at once", { concurrency: 0 }, "concurrency must be greater than 0"],
    ["one job and a half", { concurrency: 1.5 }, "concurrency must be a whole number"],
    ["text for a number", { concurrency: "3" }, "concurrency must be a number"],
    ["a timeout in the past", { timeout: -1 }, "timeout must be greater than 0"],
    ["more than a timer can wait", { timeout: 2 ** 31 }, "timeout must be at most 2147483647"],
    ["no list of tags", { tags: "x" }, "tags must be an array"],
    ["an empty tag", { tags: ["x", ""] }, "tags[1] must have at least 1 character"],
    ["a long tag", { tags: ["x".repeat(101)] }, "tags[0] must have at most 100 characters"],
    ["many tags", { tags: Array(51).fill("x") }, "tags must have at most 50 entries (got 51)"],
    ["a path", { runId: "a/b" }, "runId must consist of letters, digits and . _ ~ -"],
    ["other letters", { runId: "größe" }, "runId must consist of letters, digits and . _ ~ -"],
    ["an empty runId", { runId: "" }, "runId must have at least 1 character"],
    ["a long runId", { runId: "x".repeat(129) }, "runId must have at most 128 characters"],
    ["a word of ours", { runId: "runs" }, 'runId must be another: "runs" is reserved'],
    ["the path above", { runId: ".." }, 'runId must be another: ".." is reserved'],
    ["a workflow", { runId: "greet" }, 'runId must be another: "greet" is the name of a workflow'],
    ["a rerun that is no text", { rerun: 7 }, "rerun must be a string"],
    ["runners beside rerun", { rerun: "x" }, "runners cannot stand beside rerun, which names them"],
    [
      "a quorum of more than all jobs",
      { failurePolicy: { quorum: 2 } },
      "failurePolicy.quorum must be at most the number of jobs, 1 (got 2)",
    ],
  ])("%s", async (_what, change, message) => {
    await refused({ ...valid, ...change }, message);
  });

  test("regions beside rerun", async () => {
    const body = { regions: ["eu"], rerun: "x" };
    await refused(body, "regions cannot stand beside rerun, which names them");
  });

  test("a remote runner without a region, and one without a url", async () => {
    const placeless = `Runner "check" must specify a region when mode is 'remote'`;
    await refused({ ...valid, regions: undefined }, placeless, "runners[0].region");
    const pageless = `Runner "check" must specify input.url when mode is 'remote'`;
    await refused(withRunner({ input: {} }), pageless, "runners[0].input.url");
  });

  test.each([
    0,
    "most",
    null,
    {},
    [],
    { quorum: 0 },
    { quorum: 1, allowFailures: 1 },
    { allowFailures: -1 },
  ])("the failure policy %j", async (failurePolicy) => {
    const { status, body } = await api.send("", { ...valid, failurePolicy });
    expect(status).toBe(400);
    expect(body.message).toMatch(
      /^failurePolicy(?: must be 'all', 'any'|\.quorum must be|\.allowFailures must be)/,
    );
    expect(body.data.issues[0].path[0]).toBe("failurePolicy");
  });

  test.each<[string, object, string]>([
    [
      "?mode=ssh",
      valid,
      "mode must be one of 'local', 'remote', 'redis', 'postgres', 'k8s', 'plan' (got 'ssh')",
    ],
    ["?mode=local", valid, "mode is 'remote' in the body and 'local' in the query"],
    [
      "?mode=",
      valid,
      "mode must be one of 'local', 'remote', 'redis', 'postgres', 'k8s', 'plan' (got '')",
    ],
  ])("the query %s", async (query, body, message) => {
    expect((await api.send(query, body)).body).toMatchObject({ status: 400, message });
  });

  test("several fields at once, with an issue for each", async () => {
    const { body } = await api.send("", { runners: [{}], mode: 1, tags: 2, timeout: "x" });
    expect(body.message).toMatch(/^runners\[0\]\.name is required; mode must be .*; …$/);
    expect(body.data.issues.map(({ path }: { path: unknown[] }) => path.join("."))).toEqual([
      "runners.0.name",
      "mode",
      "timeout",
      "tags",
    ]);
  });
});
