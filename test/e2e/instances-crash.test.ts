import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { send, until } from "../_support/api.ts";
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

/** Within which another instance goes on with what a killed one left. */
const TAKEN_OVER_MS = 15_000;

let postgres: TestPostgres;
const stops: (() => unknown)[] = [];

beforeAll(async () => {
  postgres = await startEmptyPostgres();
});

afterAll(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await postgres?.stop();
});

/** So many instances on a database of their own, with one runner server. */
async function setUp(
  name: string,
  count: number,
  env: Record<string, string> = {},
): Promise<{ database: string; runner: HeldServer; instances: Orchestrator[] }> {
  const database = await postgres.createDatabase(name);
  const runner = await startHeldServer();
  stops.push(runner.close);
  const instances = await startInstances(count, database, runner, env);
  for (const instance of instances) stops.push(() => instance.stop("SIGKILL"));
  return { database, runner, instances };
}

const JOBS = 120;
const CONCURRENCY = 4;
const limited = regionalRun(
  Array.from({ length: JOBS }, (_, index) => `slow-${index}`),
  { concurrency: CONCURRENCY },
);

test.concurrent("kill -9 of one mid-run: others go on with its work and with the wake that it owed, within 15 s", async () => {
  const { database, runner, instances } = await setUp("killed", 3, {
    // Of the run's three shards no instance can have all.
    WORKFLOW_POSTGRES_WORKER_CONCURRENCY: "2",
  });
  const runId = await instances[0]!.submit(limited);
  const { body: waiting } = await instances[0]!.api("/collect", {
    args: ["tick", { count: 1 }],
  });
  const status = async (): Promise<any> => (await instances[0]!.api(`/${runId}/status`)).body;
  let answered = 0;
  while (answered < 40) {
    await until(() => runner.inFlight() === CONCURRENCY);
    runner.answer(1);
    answered++;
  }
  await until(
    async () => runner.inFlight() === CONCURRENCY && (await status()).completedJobs === answered,
  );

  const victim = instanceOf(runner.holding()[0]!);
  const cutOff = runner.holding().filter((received) => instanceOf(received) === victim);
  const cutKeys = cutOff.map(({ key }) => key!).toSorted();
  const [killed] = instances.splice(victim, 1);
  await killOwingWake(killed!, { database, runId: waiting.runId });
  const killedAt = performance.now();

  const isTakenOver = (): boolean =>
    runner.inFlight() === CONCURRENCY &&
    runner.holding().every((received) => instanceOf(received) !== victim);
  // Those of the others go on meanwhile.
  const slowly = setInterval(() => runner.answer(1), 300);
  const [woken] = await Promise.all([
    instances[0]!.api(`/collect?runId=${waiting.runId}&wait=25`),
    // The others cannot fill the places of the shards that it had without taking them over.
    until(isTakenOver, TAKEN_OVER_MS, "the jobs' way back"),
  ]);
  clearInterval(slowly);
  expect(woken.body).toEqual(["owed"]);
  expect(performance.now() - killedAt).toBeLessThan(TAKEN_OVER_MS);
  const letGo = setInterval(() => runner.answer(CONCURRENCY), 20);
  const results = await instances[1]!.ended(runId);
  clearInterval(letGo);
  expect(results).toMatchObject({ state: "completed", summary: { total: JOBS, passed: JOBS } });

  expect(runner.peak()).toBe(CONCURRENCY);
  const executions = executionsOf(runner.executes);
  expect(executions.size).toBe(JOBS);
  const twice = [...executions].filter(([, count]) => count > 1);
  expect(twice.map(([key]) => key).toSorted()).toEqual(cutKeys);
  for (const [key, count] of twice) expect(count, key).toBe(2);
  const ends = await journalledEnds(database, runId);
  expect(ends.size).toBe(JOBS);
  expect(new Set(ends.values())).toEqual(new Set([1]));
  expect(await endInstances(instances)).toEqual({ codes: [0, 0], faults: [] });
});

test.concurrent("an instance that stood still for so long that another has its work does nothing of it any more", async () => {
  const { database, runner, instances } = await setUp("stopped", 2);
  const runId = await instances[0]!.submit(limited);
  await until(() => runner.inFlight() === CONCURRENCY);
  const victim = instanceOf(runner.holding()[0]!);
  const heldBy = (index: number): HeldServer["executes"] =>
    runner.holding().filter((received) => instanceOf(received) === index);
  const stopped = instances[victim]!;
  const other = instances[1 - victim]!;
  const left = heldBy(victim).map(({ key }) => key!);
  stopped.child.kill("SIGSTOP");
  const stoppedAt = performance.now();
  await until(() => heldBy(1 - victim).length === CONCURRENCY, TAKEN_OVER_MS, "the jobs' way over");
  expect(performance.now() - stoppedAt).toBeLessThan(TAKEN_OVER_MS);
  // What the one got meanwhile reaches it when it goes on.
  stopped.child.kill("SIGCONT");
  await until(() => heldBy(victim).length === 0, 10_000, "the end of what it had in flight");
  const letGo = setInterval(() => runner.answer(CONCURRENCY), 20);
  const results = await other.ended(runId);
  clearInterval(letGo);
  expect(results).toMatchObject({ state: "completed", summary: { total: JOBS, passed: JOBS } });
  const executions = executionsOf(runner.executes);
  expect(executions.size).toBe(JOBS);
  // What it had in flight; and what took its place after it went on, and before it saw that it was late.
  const twice = [...executions].filter(([, count]) => count > 1);
  expect(twice.map(([key]) => key)).toEqual(expect.arrayContaining(left));
  expect(twice.length).toBeLessThanOrEqual(2 * CONCURRENCY);
  for (const [key, count] of twice) expect(count, key).toBeLessThanOrEqual(3);
  const ends = await journalledEnds(database, runId);
  expect(ends.size).toBe(JOBS);
  expect(new Set(ends.values())).toEqual(new Set([1]));
  // It serves and works as before.
  expect(await stopped.ended(runId)).toEqual(results);
  expect(await endInstances(instances)).toEqual({ codes: [0, 0], faults: [] });
});

/** Has an instance store a checkpoint that a run waits for, and kills it before it has woken the run. */
async function killOwingWake(
  instance: Orchestrator,
  { database, runId }: { database: string; runId: string },
): Promise<void> {
  const client = new Client(database);
  await client.connect();
  try {
    // What wakes a run is stored as an event first, which now has to wait.
    await client.query("BEGIN");
    await client.query("LOCK TABLE workflow.workflow_events IN SHARE ROW EXCLUSIVE MODE");
    const url = `${instance.url}/api/orchestrator/runs/${runId}/checkpoints`;
    const posted = send(url, { type: "tick", data: "owed" }).catch(() => undefined);
    await until(async () => (await waitingFor(client)).length > 0);
    await instance.stop("SIGKILL");
    await posted;
    // Postgres would do what it was asked to, though nobody is there any more.
    for (const pid of await waitingFor(client)) {
      await client.query("SELECT pg_terminate_backend($1, 5000)", [pid]);
    }
    await client.query("ROLLBACK");
  } finally {
    await client.end();
  }
}

/** Whoever waits for a lock that this client has. */
async function waitingFor(client: Client): Promise<number[]> {
  const { rows } = await client.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))",
  );
  return rows.map(({ pid }) => pid);
}
