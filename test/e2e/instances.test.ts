import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { workDir } from "../_support/app.ts";
import { type Listener, listen } from "../_support/events.ts";
import { type HeldServer, regionalRun, startHeldServer } from "../_support/held-server.ts";
import {
  endInstances,
  executionsOf,
  instanceOf,
  journalledEnds,
  startInstances,
} from "../_support/instances.ts";
import type { Orchestrator } from "../_support/orchestrator.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";

const INSTANCES = 4;

/** Milliseconds that attempts in flight get at a SIGTERM, as the fixture has it. */
const SHUTDOWN_MS = 5000;

let postgres: TestPostgres;
let database: string;
let runner: HeldServer;
let instances: Orchestrator[];

// At the same moment, on a database without any table.
beforeAll(async () => {
  postgres = await startEmptyPostgres();
  database = await postgres.createDatabase("instances");
  runner = await startHeldServer();
  instances = await startInstances(INSTANCES, database, runner);
});

afterAll(async () => {
  await Promise.all((instances ?? []).map((instance) => instance.stop("SIGKILL")));
  await runner?.close();
  await postgres?.stop();
});

/** The run service of an instance. */
function runsOf(index: number): string {
  return `${instances[index]!.url}/api/orchestrator/runs`;
}

/** What every instance answers. */
function all<T>(ask: (instance: Orchestrator, index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(instances.map(ask));
}

/** URLs in a run that are its own, so that runs do not get in each other's way at the runner server. */
function pages(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index}`);
}

/** What the runner server got of these jobs. */
function executesOf(name: string): HeldServer["executes"] {
  return runner.executes.filter(({ body }) => body.url!.includes(`/${name}`));
}

test("instances that start at the same moment on an empty database are all ready", async () => {
  await until(async () => {
    const answers = await all(({ api }) => api("/ready"));
    return answers.every(({ status }) => status === 200);
  });
});

test("any instance answers for a run that another was given, while it goes and after", async () => {
  const runId = await instances[0]!.submit(regionalRun(["any-0", "slow-any-1"]));
  await until(async () => (await instances[0]!.api(`/${runId}/status`)).body.completedJobs === 1);
  const ended = all(({ ended }) => ended(runId));
  for (const { status, body } of await all(({ api }) => api(`/${runId}/status`))) {
    expect(status).toBe(200);
    expect(body).toMatchObject({ runId, state: "running", totalJobs: 2, completedJobs: 1 });
  }
  runner.letGo("slow-any");
  const results = await ended;
  expect(results[0]).toMatchObject({ state: "completed", summary: { total: 2, passed: 2 } });
  for (const other of results) expect(other).toEqual(results[0]);
  for (const { body } of await all((_, index) => send(`${runsOf(index)}/${runId}`))) {
    expect(body.run).toMatchObject({ id: runId, status: "completed" });
  }
  for (const { body } of await all((_, index) => send(runsOf(index)))) {
    expect(body.runs.map(({ id }: { id: string }) => id)).toContain(runId);
  }
});

test("a workflow's end reaches who waits for it at another instance at once", async () => {
  const { body } = await instances[1]!.api("/approval", { input: "May I?" });
  const { runId } = body;
  const asked = async (): Promise<boolean> =>
    (await send(`${runsOf(2)}/${runId}/checkpoints`)).body.checkpoints.length === 1;
  await until(asked);
  const polls = all(({ api }) => api(`/approval?runId=${runId}&wait=20`));
  await send(`${runsOf(3)}/${runId}/checkpoints`, { type: "approved", data: { by: "Ada" } });
  const wokenAt = Date.now();
  for (const answer of await polls) {
    expect(answer).toMatchObject({ status: 200, body: { approved: true, by: "Ada" } });
  }
  expect(Date.now() - wokenAt).toBeLessThan(3000);
});

test("checkpoints posted at all instances reach followers at all of them, once and in one order", async () => {
  const COUNT = 80;
  const { body } = await instances[0]!.api("/collect", {
    args: ["never", { count: 1 }],
  });
  const { runId } = body;
  const listeners = await all(async (_, index) => listen(`${runsOf(index)}/${runId}/events`));
  await Promise.all(listeners.map((listener) => listener.status("running")));
  await Promise.all(
    instances.map(async (_, index) => {
      for (let number = index; number < COUNT; number += INSTANCES) {
        const posted = await send(`${runsOf(index)}/${runId}/checkpoints`, {
          type: "tick",
          data: number,
        });
        expect(posted.status).toBe(201);
      }
    }),
  );
  await send(`${runsOf(1)}/${runId}/checkpoints`, { type: "never" });
  await Promise.all(listeners.map((listener) => listener.status("completed")));
  for (const listener of listeners) listener.close();
  const [first, ...others] = listeners.map(ticksOf);
  expect(first!.map(({ data }) => data).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: COUNT }, (_, number) => number),
  );
  // In each instance's order, and by time.
  for (let index = 0; index < INSTANCES; index++) {
    const own = first!.map(({ data }) => data).filter((data) => data % INSTANCES === index);
    expect(own).toEqual(own.toSorted((a, b) => a - b));
  }
  const times = first!.map(({ ts }) => ts);
  expect(times).toEqual([...new Set(times)].toSorted());
  for (const other of others) expect(other).toEqual(first);
});

function ticksOf({ told }: Listener): { data: number; ts: string }[] {
  return told
    .filter(({ event, data }) => event === "checkpoint" && data.type === "tick")
    .map(({ data }) => ({ data: data.data, ts: data.ts }));
}

test("a cancel at one instance aborts within 2 s what is in flight at another", async () => {
  const runIds = await all(({ submit }, index) =>
    submit(regionalRun(pages(`slow-cut${index}`, 60))),
  );
  await until(() => executesOf("slow-cut").length === 60 * INSTANCES);
  expect(new Set(executesOf("slow-cut").map(instanceOf)).size).toBe(INSTANCES);
  const cancelledAt = Date.now();
  for (const { body } of await all((_, index) =>
    send(`${runsOf(index)}/${runIds[(index + 2) % INSTANCES]}`, undefined, { method: "DELETE" }),
  )) {
    expect(body).toEqual({ ok: true, status: "canceled" });
  }
  await until(() => runner.inFlight() === 0, 2500, "the end of the requests in flight");
  expect(Date.now() - cancelledAt).toBeLessThan(2500);
  for (const runId of runIds) {
    for (const results of await all(({ ended }) => ended(runId))) {
      expect(results.state).toBe("cancelled");
      const states = results.jobs.map(({ state }: { state: string }) => state);
      expect(new Set(states)).toEqual(new Set(["cancelled"]));
    }
  }
  expect(executesOf("slow-cut").length).toBe(60 * INSTANCES);
});

test("one Idempotency-Key and one own run id, posted to all instances at once, are one run", async () => {
  const ROUNDS = 50;
  const keyed = await Promise.all(
    Array.from({ length: ROUNDS }, (_, index) =>
      instances[index % INSTANCES]!.api(
        "/greet",
        { input: { name: "Ada" } },
        {
          "idempotency-key": "once",
        },
      ),
    ),
  );
  expect(new Set(keyed.map(({ status }) => status))).toEqual(new Set([200]));
  expect(new Set(keyed.map(({ body }) => body.runId)).size).toBe(1);
  const named = await Promise.all(
    Array.from({ length: ROUNDS }, (_, index) =>
      instances[index % INSTANCES]!.api("", regionalRun(["named-0"], { runId: "nightly" })),
    ),
  );
  expect(new Set(named.map(({ status }) => status))).toEqual(new Set([200]));
  for (const results of await all(({ ended }) => ended("nightly"))) {
    expect(results).toMatchObject({ runId: "nightly", state: "completed" });
  }
  expect(executesOf("named").length).toBe(1);
});

test("a step that takes long is executed once, and each job is sent and journalled once", async () => {
  const marks = workDir();
  const steps = await instances[2]!.api("/slowlyAtOnce", { args: [marks, 1500] });
  // Shards of these take a while too, and every wake-up of their runs finds others pending.
  const runIds = await all(({ submit }, index) =>
    submit(regionalRun(pages(`slow-once-${index}`, 120), { concurrency: 40 })),
  );
  const letGo = setInterval(() => runner.answer(20), 100);
  try {
    for (const runId of runIds) {
      expect(await instances[0]!.ended(runId)).toMatchObject({
        summary: { total: 120, passed: 120 },
      });
    }
  } finally {
    clearInterval(letGo);
  }
  const executions = executionsOf(executesOf("slow-once"));
  expect(executions.size).toBe(480);
  expect(new Set(executions.values())).toEqual(new Set([1]));
  for (const runId of runIds) {
    const ends = await journalledEnds(database, runId);
    expect(ends.size).toBe(120);
    expect(new Set(ends.values())).toEqual(new Set([1]));
  }
  await instances[3]!.api(`/slowlyAtOnce?runId=${steps.body.runId}&wait=20`);
  const marked = (await readFile(marks, "utf8")).split("\n").filter(Boolean);
  expect(marked.toSorted()).toEqual(Array.from({ length: 9 }, (_, index) => `step-${index}`));
});

test("SIGTERM of one under load: it ends in time with 0, and nothing that was accepted is lost", async () => {
  const runIds = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      instances[index % INSTANCES]!.submit(regionalRun(pages(`slow-leave-${index}`, 60))),
    ),
  );
  await until(() => executesOf("slow-leave").some((execute) => instanceOf(execute) === 3));
  // More come at it until it takes no more.
  const late: string[] = [];
  const posting = (async () => {
    for (let index = 0; ; index++) {
      const answer = await instances[3]!
        .api("", regionalRun([`late-${index}`]))
        .catch(() => undefined);
      if (answer?.status !== 200) return;
      late.push(answer.body.runId);
    }
  })();
  const startedAt = performance.now();
  const ended = instances[3]!.stop("SIGTERM");
  const letGo = setInterval(() => runner.answer(12), 50);
  expect(await ended).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(SHUTDOWN_MS + 2000);
  await posting;
  instances.pop();
  try {
    for (const runId of [...runIds, ...late]) {
      const { state, summary } = await instances[0]!.ended(runId);
      expect([state, summary.passed]).toEqual(["completed", summary.total]);
    }
  } finally {
    clearInterval(letGo);
  }
  // What it had in flight may be sent once more, under the same key.
  const executions = executionsOf(executesOf("slow-leave"));
  expect(executions.size).toBe(480);
  for (const [key, count] of executions) expect(count, key).toBeLessThanOrEqual(2);
});

test("SIGTERM ends all others with 0 too, and none has had an error that nobody handled", async () => {
  expect(await endInstances(instances)).toEqual({ codes: [0, 0, 0], faults: [] });
});
