import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { type Frame, framesOf } from "../_support/events.ts";
import { type HeldServer, regionalRun, startHeldServer } from "../_support/held-server.ts";
import { endInstances, executionsOf, startInstances } from "../_support/instances.ts";
import type { Orchestrator } from "../_support/orchestrator.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";

const JOBS = 60;

let postgres: TestPostgres;
let runner: HeldServer;
let instances: Orchestrator[];

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  runner = await startHeldServer();
  instances = await startInstances(2, await postgres.createDatabase("outage"), runner);
});

afterAll(async () => {
  await Promise.all((instances ?? []).map((instance) => instance.stop("SIGKILL")));
  await runner?.close();
  await postgres?.stop();
});

/** What both instances answer. */
function both<T>(ask: (instance: Orchestrator) => Promise<T>): Promise<T[]> {
  return Promise.all(instances.map(ask));
}

test("Postgres goes away and comes back, twice: runs, followers and polls go on by themselves", async () => {
  const jobs = Array.from({ length: JOBS }, (_, index) => `slow-${index}`);
  const runId = await instances[0]!.submit(regionalRun(jobs, { concurrency: 12 }));
  const { body } = await instances[1]!.api("/collect", { args: ["last", { count: 1 }] });
  const { runId: waiting } = body;
  // Each is read to its end on one connection: one that is cut off lacks the last status.
  const followed = [runId, waiting].map((id) =>
    both(({ url }) => framesOf(`${url}/api/orchestrator/runs/${id}/events?replay=100`)),
  );
  const polled = both(({ api }) => api(`/collect?runId=${waiting}&wait=30`));
  const posted: number[] = [];
  const enough = new AbortController();
  const poster = (async () => {
    for (let number = 0; !enough.signal.aborted; number++) {
      const url = `${instances[number % 2]!.url}/api/orchestrator/runs/${waiting}/checkpoints`;
      const { status } = await send(url, { type: "tick", data: number });
      if (status === 201) posted.push(number);
      await delay(20);
    }
  })();
  const answering = setInterval(() => runner.answer(1), 60);
  const ready = async (): Promise<unknown> => both(async ({ api }) => (await api("/ready")).status);

  await until(() => runner.executes.length > 20 && posted.length > 10);
  for (const mode of ["immediate", "fast"] as const) {
    await postgres.restart(async () => {
      await until(async () => String(await ready()) === "503,503", 5000, "that it is not ready");
      expect(await both(async ({ api }) => (await api("/health")).status)).toEqual([200, 200]);
    }, mode);
    await until(async () => String(await ready()) === "200,200", 10_000, "that it is ready");
    const before = posted.length;
    await until(() => posted.length > before + 5, 10_000, "new checkpoints");
  }
  enough.abort();
  await poster;
  clearInterval(answering);
  runner.letGo();
  await send(`${instances[0]!.url}/api/orchestrator/runs/${waiting}/checkpoints`, { type: "last" });

  for (const { body } of await polled) expect(body).toEqual([null]);
  for (const results of await both(({ ended }) => ended(runId))) {
    expect(results).toMatchObject({ state: "completed", summary: { total: JOBS, passed: JOBS } });
  }
  for (const followers of await Promise.all(followed)) {
    const [one, other] = followers.map(({ frames }) => frames);
    for (const frames of [one!, other!]) {
      expect(frames.at(-1)).toMatchObject({ event: "status", data: { status: "completed" } });
    }
    expect(jobEndsIn(one!)).toEqual(jobEndsIn(other!));
  }
  const [, checkpoints] = await Promise.all(followed);
  for (const { frames } of checkpoints!) {
    const told = frames.filter(({ event }) => event === "checkpoint").map(({ data }) => data);
    const ticks = told.filter(({ type }) => type === "tick").map(({ data }) => data as number);
    expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
    expect(told.map(({ ts }) => ts)).toEqual(told.map(({ ts }) => ts).toSorted());
    // One whose answer was lost may have been stored.
    expect(ticks).toEqual(expect.arrayContaining(posted));
    expect(ticks).toEqual([...new Set(ticks)].toSorted((a, b) => a - b));
  }
  const executions = executionsOf(runner.executes);
  expect(executions.size).toBe(JOBS);
  // Whose end could not be stored is sent again, once an outage, under the same key.
  for (const [key, count] of executions) expect(count, key).toBeLessThanOrEqual(3);
  expect(await endInstances(instances)).toEqual({ codes: [0, 0], faults: [] });
});

/** The ends of jobs that followers were told of, by job. */
function jobEndsIn(frames: readonly Frame[]): string[] {
  return frames
    .filter(({ event, data }) => event === "job" && data.state === "completed")
    .map(({ data }) => data.jobId as string)
    .toSorted();
}
