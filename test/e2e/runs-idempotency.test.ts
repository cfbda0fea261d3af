import { expect, onTestFinished, test } from "vitest";
import { until } from "../_support/api.ts";
import { workDir } from "../_support/app.ts";
import { type HeldServer, regionalRun, startHeldServer } from "../_support/held-server.ts";
import { type Orchestrator, startOrchestrator } from "../_support/orchestrator.ts";

const RACERS = 50;
const worlds = ["embedded", "local"];

async function setUp(world: string): Promise<{
  runner: HeldServer;
  start: () => Promise<Orchestrator>;
}> {
  const runner = await startHeldServer();
  onTestFinished(runner.close);
  const cwd = workDir();
  const env = world === "local" ? { WORKFLOW_TARGET_WORLD: "local" } : undefined;
  return { runner, start: () => startOrchestrator(cwd, runner.url, env) };
}

/** Submits one body many times at once; answers with the statuses and run ids that came, each once. */
async function race(
  server: Orchestrator,
  body: (index: number) => object,
  headers?: Record<string, string>,
): Promise<{ statuses: number[]; runIds: string[] }> {
  const answers = await Promise.all(
    Array.from({ length: RACERS }, (_, index) => server.api("", body(index), headers)),
  );
  const runIds = answers.filter(({ status }) => status === 200).map(({ body }) => body.runId);
  return {
    statuses: answers.map(({ status }) => status).toSorted(),
    runIds: [...new Set<string>(runIds)],
  };
}

function all(status: number): number[] {
  return Array.from({ length: RACERS }, () => status);
}

/** How often each URL was executed, by the end of its path. */
function executions({ executes }: HeldServer): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { body } of executes) {
    const path = body.url!.replace("https://x.test/", "");
    counts[path] = (counts[path] ?? 0) + 1;
  }
  return counts;
}

test.each(worlds)(
  "on the %s World 50 racing requests under one runId are one run, also after a kill -9",
  async (world) => {
    const { runner, start } = await setUp(world);
    const server = await start();
    const request = regionalRun(["a", "slow"], { runId: "nightly", tags: ["t"] });
    expect(await race(server, () => request)).toEqual({ statuses: all(200), runIds: ["nightly"] });
    await until(() => runner.executes.length === 2);
    await until(async () => (await server.api("/nightly/status")).body.completedJobs === 1);
    await server.stop("SIGKILL");

    const after = await start();
    expect(await race(after, () => request)).toEqual({ statuses: all(200), runIds: ["nightly"] });
    expect((await after.api("", { ...request, tags: ["other"] })).status).toBe(409);
    runner.letGo();
    expect(await after.ended("nightly")).toMatchObject({ state: "completed", outcome: "pass" });
    expect((await after.api("", request)).body).toEqual({ runId: "nightly" });
    expect((await after.api("/runs")).body.runs).toHaveLength(1);
    // What was in flight when the process died is sent again under its key; nothing else is.
    expect(executions(runner)).toEqual({ a: 1, slow: 2 });
    expect(new Set(runner.executes.map(({ key }) => key)).size).toBe(2);
  },
);

test.each(worlds)(
  "on the %s World of 50 different bodies under one runId one is taken, 49 are conflicts",
  async (world) => {
    const { runner, start } = await setUp(world);
    const server = await start();
    const outcome = await race(server, (index) => regionalRun([`p${index}`], { runId: "mine" }));
    expect(outcome).toEqual({ statuses: [200, ...all(409).slice(1)], runIds: ["mine"] });
    expect((await server.ended("mine")).state).toBe("completed");
    expect(runner.executes).toHaveLength(1);
    expect((await server.api("/runs")).body.runs).toHaveLength(1);
  },
);

test.each(worlds)(
  "on the %s World an Idempotency-Key does the same, and holds over a kill -9",
  async (world) => {
    const { runner, start } = await setUp(world);
    const server = await start();
    const header = { "idempotency-key": "once" };
    const first = await race(server, () => regionalRun(["a"]), header);
    expect(first).toMatchObject({ statuses: all(200), runIds: [expect.any(String)] });
    const [runId] = first.runIds;
    expect((await server.ended(runId!)).state).toBe("completed");
    await server.stop("SIGKILL");
    const after = await start();
    expect((await after.api("", regionalRun(["a"]), header)).body).toEqual({ runId });
    const other = await after.api("", regionalRun(["b"]), header);
    expect(other).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    expect(other.body.data.issues[0].path).toEqual(["Idempotency-Key"]);
    expect(executions(runner)).toEqual({ a: 1 });
  },
);

test.each(worlds)(
  "on the %s World both together are one run, and each holds alone",
  async (world) => {
    const { runner, start } = await setUp(world);
    const server = await start();
    const request = regionalRun(["a"], { runId: "both" });
    const header = { "idempotency-key": "k1" };
    expect(await race(server, () => request, header)).toEqual({
      statuses: all(200),
      runIds: ["both"],
    });
    expect((await server.ended("both")).state).toBe("completed");
    // By either of them alone, and by the id under a key of its own.
    expect((await server.api("", request)).body).toEqual({ runId: "both" });
    expect((await server.api("", request, { "idempotency-key": "k2" })).body).toEqual({
      runId: "both",
    });
    const otherId = await server.api("", regionalRun(["a"], { runId: "else" }), header);
    expect(otherId.status).toBe(409);
    const otherBody = await server.api("", regionalRun(["b"], { runId: "both" }), {
      "idempotency-key": "k3",
    });
    expect(otherBody.status).toBe(409);
    expect(otherBody.body.data.issues[0].path).toEqual(["runId"]);
    // A refused request leaves nothing behind: neither its id nor its key is used up.
    expect((await server.api("/else/status")).status).toBe(404);
    const fresh = await server.api("", regionalRun(["c"], { runId: "fresh" }), {
      "idempotency-key": "k3",
    });
    expect(fresh.body).toEqual({ runId: "fresh" });
    expect((await server.ended("fresh")).state).toBe("completed");
    expect(executions(runner)).toEqual({ a: 1, c: 1 });
  },
);
