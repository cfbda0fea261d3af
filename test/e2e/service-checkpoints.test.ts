import { afterEach, expect, inject, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(cwd = workDir(), env: Record<string, string> = {}): Promise<TestServer> {
  const server = await startServer(inject("fixtureOutput"), cwd, env);
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

function serviceOf({ url }: TestServer) {
  const runs = `${url}/api/orchestrator/runs`;
  return {
    async create(workflow: string, input: unknown, options?: object): Promise<string> {
      const answer = await send(runs, { workflow, input, ...(options && { options }) });
      expect(answer.status).toBe(201);
      return answer.body.runId as string;
    },
    post: (id: string, type: unknown, data?: unknown, rest: object = {}) =>
      send(`${runs}/${id}/checkpoints`, { type, ...(data !== undefined && { data }), ...rest }),
    checkpoints: async (id: string): Promise<any[]> =>
      (await send(`${runs}/${id}/checkpoints`)).body.checkpoints,
    result: async (workflow: string, id: string) =>
      (await send(`${url}/api/orchestrator/${workflow}?runId=${id}&wait=20`)).body,
  };
}

test.each(["embedded", "local"])(
  "a workflow asks by a checkpoint and waits for an approval over HTTP, on the %s World",
  async (world) => {
    const env = world === "local" ? { WORKFLOW_TARGET_WORLD: "local" } : undefined;
    const service = serviceOf(await start(workDir(), env));
    const id = await service.create("approval", "Ship it?");
    await until(async () => (await service.checkpoints(id)).length === 1);
    expect(await service.checkpoints(id)).toMatchObject([
      { runId: id, type: "asked", data: { question: "Ship it?" } },
    ]);
    expect((await service.post(id, "other")).status).toBe(201);
    // By now it has looked for what came before it, and waits.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { status, body } = await service.post(id, "approved", { by: "Ada" });
    expect(status).toBe(201);
    expect(await service.result("approval", id)).toEqual({ approved: true, by: "Ada" });
    const all = await service.checkpoints(id);
    expect(all.map(({ type }) => type)).toEqual(["asked", "other", "approved"]);
    expect(all[2]).toMatchObject({ id: body.checkpointId, data: { by: "Ada" } });
  },
);

test("an approval that comes too late finds the run ended, and the wait ends in time", async () => {
  const service = serviceOf(await start());
  const id = await service.create("approval", "Ship it?", { timeout: "300ms" });
  expect(await service.result("approval", id)).toEqual({ approved: false });
  const { status, body } = await service.post(id, "approved", { by: "Ada" });
  expect([status, body]).toEqual([409, { error: "run has ended", status: "completed" }]);
  expect((await service.checkpoints(id)).map(({ type }) => type)).toEqual(["asked"]);
});

test("each call takes one checkpoint, in order, also those that came before it", async () => {
  const service = serviceOf(await start());
  const id = await service.create("collect", "tick", { count: 6 });
  const posted = [0, 1, 2, 3, 4, 5];
  for (const number of posted) expect((await service.post(id, "tick", number)).status).toBe(201);
  expect(await service.result("collect", id)).toEqual(posted);
});

test("a wait outlives kill -9, and so does what was posted", async () => {
  const cwd = workDir();
  const before = await start(cwd);
  const id = await serviceOf(before).create("collect", "tick", { count: 3 });
  expect((await serviceOf(before).post(id, "tick", "first")).status).toBe(201);
  await before.stop("SIGKILL");
  const service = serviceOf(await start(cwd));
  expect((await service.checkpoints(id)).map(({ data }) => data)).toEqual(["first"]);
  await service.post(id, "tick", "second");
  await service.post(id, "tick", "third");
  expect(await service.result("collect", id)).toEqual(["first", "second", "third"]);
});

test("a wait that was to end while the process was dead ends at the next start, and tells nothing else", async () => {
  const cwd = workDir();
  const before = await start(cwd);
  const [soon, later] = await Promise.all(
    ["1s", "3s"].map((timeout) => serviceOf(before).create("approval", "?", { timeout })),
  );
  await until(async () => {
    const asked = await Promise.all([soon!, later!].map(serviceOf(before).checkpoints));
    return asked.every(({ length }) => length === 1);
  });
  await before.stop("SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = await start(cwd);
  const service = serviceOf(after);
  expect(await service.result("approval", soon!)).toEqual({ approved: false });
  expect(await service.result("approval", later!)).toEqual({ approved: false });
  const approved = await service.create("approval", "?", { timeout: "1h" });
  await service.post(approved, "approved", { by: "Ada" });
  expect(await service.result("approval", approved)).toEqual({ approved: true, by: "Ada" });
  // The engine warns of what a workflow leaves behind.
  expect(after.output()).not.toMatch(/uncommitted/);
});

test("a timeout that is none fails the run, naming it", async () => {
  const service = serviceOf(await start());
  const id = await service.create("approval", "?", { timeout: "soon" });
  expect((await service.result("approval", id)).error).toMatch(
    /timeout must be milliseconds, or a duration such as "30s", "2h" or "7d" \(got "soon"\)/,
  );
});

test("a step that is executed again posts each of its checkpoints once", async () => {
  const service = serviceOf(await start());
  const id = await service.create("retrying", "x");
  expect(await service.result("retrying", id)).toBe(2);
  const types = (await service.checkpoints(id)).map(({ type }) => type);
  expect(types).toEqual(["first", "second"]);
});

test("what is no checkpoint is refused in the contract's words, naming the field", async () => {
  const service = serviceOf(await start());
  const id = await service.create("sleeper", 600);
  for (const type of [undefined, 7, "", " ", "a\nb", "x".repeat(201)]) {
    const { status, body } = await service.post(id, type);
    expect([status, body.error]).toEqual([400, "invalid checkpoint type"]);
    expect(body.details[0].message).toMatch(/^type must /);
  }
  const large = await service.post(id, "t", "x".repeat(65_536));
  expect([large.status, large.body.error]).toEqual([400, "validation failed"]);
  expect(large.body.details[0]).toMatchObject({ path: ["data"] });
  const unknown = await service.post(id, "t", 1, { extra: 1 });
  expect(unknown.body).toMatchObject({
    error: "validation failed",
    details: [{ path: ["extra"] }],
  });
  const nobody = await service.post("no-such-run", "t");
  expect([nobody.status, nobody.body]).toEqual([404, { error: "run not found" }]);
  expect(await service.checkpoints(id)).toEqual([]);
});
