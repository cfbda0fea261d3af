import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { workDir } from "../_support/app.ts";
import { framesOf, listen } from "../_support/events.ts";
import { type HeldServer, regionalRun, startHeldServer } from "../_support/held-server.ts";
import { type Orchestrator, startOrchestrator } from "../_support/orchestrator.ts";
import { startPostgres, type TestPostgres } from "../_support/postgres.ts";

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(() => postgres.stop());

/** Two processes on one Postgres, with one runner server. */
async function setUp(): Promise<{ runner: HeldServer; processes: Orchestrator[] }> {
  const runner = await startHeldServer();
  onTestFinished(runner.close);
  const start = (): Promise<Orchestrator> =>
    startOrchestrator(workDir(), runner.url, {
      WORKFLOW_TARGET_WORLD: "@workflow/world-postgres",
      WORKFLOW_POSTGRES_URL: postgres.url,
    });
  return { runner, processes: await Promise.all([start(), start()]) };
}

test("a cancel in one process aborts the attempts of another within 2 s, and both tell of it", async () => {
  const { runner, processes } = await setUp();
  const runIds = await Promise.all(
    Array.from({ length: 4 }, (_, index) =>
      processes[index % 2]!.submit(regionalRun([`slow-${index}`, `later-${index}`])),
    ),
  );
  await until(() => runner.inFlight() === 4);
  const service = (index: number): string => `${processes[index]!.url}/api/orchestrator/runs`;
  const followed = processes.map((_, index) => framesOf(`${service(index)}/${runIds[0]!}/events`));
  const cancelledAt = Date.now();
  await Promise.all(
    runIds.map(async (runId, index) => {
      const cancelled = await send(`${service(index % 2)}/${runId}`, undefined, {
        method: "DELETE",
      });
      expect(cancelled.body).toEqual({ ok: true, status: "canceled" });
    }),
  );
  await until(() => runner.inFlight() === 0, 2500, "the end of the requests in flight");
  expect(Date.now() - cancelledAt).toBeLessThan(2500);
  for (const { frames } of await Promise.all(followed)) {
    const { event, data } = frames.at(-1)!;
    expect([event, data]).toEqual(["status", { runId: runIds[0], status: "canceled" }]);
  }
  const sent = runner.executes.length;
  for (const runId of runIds) {
    const [one, other] = await Promise.all(processes.map((process) => process.ended(runId)));
    expect(one.state).toBe("cancelled");
    expect(one.jobs[0].state).toBe("cancelled");
    expect(other).toEqual(one);
  }
  expect(new Set(runner.aborted).size).toBe(4);
  expect(runner.executes).toHaveLength(sent);
});

test("a checkpoint posted to one process reaches who follows at the other, and who waits for it", async () => {
  const { processes } = await setUp();
  const [one, other] = processes.map(({ url }) => `${url}/api/orchestrator`);
  const { runId } = (await send(`${one}/runs`, { workflow: "collect", input: "tick" })).body;
  const listener = listen(`${other}/runs/${runId}/events`);
  onTestFinished(listener.close);
  await listener.status("running");
  await Promise.all(
    [one, other].map((base, data) =>
      send(`${base}/runs/${runId}/checkpoints`, { type: "tick", data }),
    ),
  );
  await listener.status("completed");
  const { body } = await send(`${one}/collect?runId=${runId}`);
  expect(body.toSorted()).toEqual([0, 1]);
  const told = listener.told.filter(({ event }) => event === "checkpoint");
  expect(told.map(({ data }) => data.data).toSorted()).toEqual([0, 1]);
});

test("two processes work on one run, and both see all of it", async () => {
  const { runner, processes } = await setUp();
  const jobs = Array.from({ length: 200 }, (_, index) =>
    index % 50 === 49 ? `slow-${index}` : `fast-${index}`,
  );
  const runId = await processes[0]!.submit(regionalRun(jobs, { concurrency: 8 }));
  // Both look at it while it goes, so that both have read a part of its journal before its end.
  const distinct = (): number => new Set(runner.executes.map(({ key }) => key)).size;
  await until(async () => {
    await Promise.all(processes.map((process) => process.api(`/${runId}/status`)));
    return distinct() === 200;
  }, 20_000);
  runner.letGo();
  for (const process of processes) {
    const results = await process.ended(runId);
    expect(results).toMatchObject({ state: "completed", summary: { total: 200, passed: 200 } });
    expect(results.jobs.map(({ url }: { url: string }) => url)).toEqual(
      jobs.map((path) => `https://x.test/${path}`),
    );
    for (const job of results.jobs) expect(job.state).toBe("completed");
  }
  expect(distinct()).toBe(200);
  expect(runner.executes).toHaveLength(200);
});
