import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { type Bench, benches, gate } from "./support.ts";

let postgres: TestPostgres;
let listeners: Record<string, number>;
const signals = ["SIGTERM", "SIGINT", "uncaughtException", "unhandledRejection"];
const counts = (): Record<string, number> =>
  Object.fromEntries(signals.map((signal) => [signal, process.listenerCount(signal)]));

beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterAll(() => postgres?.stop());
beforeEach(() => {
  listeners = counts();
});
// The last hook comes first: what a test has started is let go of by then.
afterEach(() => expect(counts()).toEqual(listeners));
const bench = benches(() => postgres);

const nothing = (): void => undefined;

/** What is left in the tables. */
async function left({ query }: Bench): Promise<Record<string, number>> {
  const [row] = await query<Record<string, number>>(`select
    (select count(*)::int from orchestrator_tasks.orchestrators) as orchestrators,
    (select count(*)::int from orchestrator_jobs.jobs where locked_at is not null) as locked,
    (select count(*)::int from orchestrator_jobs.jobs) as jobs`);
  return row!;
}

test("from creation over start and stop to its end", async () => {
  const one = await bench();
  const orchestrator = one.orchestrator({ tasks: [one.task("a", nothing)] });
  const { info } = orchestrator;
  expect(info).toMatchObject({
    id: expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
    isRunning: false,
    isShuttingDown: false,
    isStopped: false,
    workers: [
      {
        queue: "default",
        tasks: ["a"],
        config: {
          concurrency: 10,
          pollIntervalMs: 1000,
          flushIntervalMs: 2000,
          fetchBatchSize: 10,
        },
      },
    ],
  });
  await orchestrator.start();
  expect(info).toMatchObject({ isRunning: true, isShuttingDown: false, isStopped: false });
  expect(await one.query("select id, pid from orchestrator_tasks.orchestrators")).toEqual([
    { id: info.id, pid: process.pid },
  ]);
  await expect(orchestrator.start()).rejects.toMatchObject({ code: "INVALID_STATE" });
  await expect(orchestrator.drain()).rejects.toMatchObject({ code: "INVALID_STATE" });
  const stopping = orchestrator.stop();
  expect(info).toMatchObject({ isRunning: false, isShuttingDown: true, isStopped: false });
  await Promise.all([stopping, orchestrator.stop(), orchestrator.stopped]);
  expect(info).toMatchObject({ isRunning: false, isShuttingDown: false, isStopped: true });
  await orchestrator.stop();
  await expect(orchestrator.start()).rejects.toThrow("has stopped");
  expect(await left(one)).toEqual({ orchestrators: 0, locked: 0, jobs: 0 });
});

test("a stop before the start, and one while it starts", async () => {
  const one = await bench();
  const tasks = [one.task("a", nothing)];
  const never = one.orchestrator({ tasks });
  await never.stop();
  expect(never.info.isStopped).toBe(true);
  await never.stopped;
  const early = one.orchestrator({ tasks });
  const starting = early.start();
  await early.stop();
  await starting;
  expect(early.info).toMatchObject({ isRunning: false, isStopped: true });
  expect(await left(one)).toEqual({ orchestrators: 0, locked: 0, jobs: 0 });
});

test("a start that fails says why, leaves nothing, and may be tried again", async () => {
  const one = await bench();
  const orchestrator = one.orchestrator({ tasks: [one.task("a", nothing)] });
  await one.query("drop schema orchestrator_tasks cascade");
  await one.query("create schema orchestrator_tasks");
  await one.query("create table orchestrator_tasks.executions (taken int)");
  await expect(orchestrator.start()).rejects.toThrow('relation "executions" already exists');
  expect(orchestrator.info).toMatchObject({ isRunning: false, isStopped: false });
  expect(counts()).toEqual(listeners);
  await one.query("drop schema orchestrator_tasks cascade");
  await orchestrator.start();
  expect(orchestrator.info.isRunning).toBe(true);
});

test("a drain of an empty queue ends at once; one of a full queue also does what its tasks add", async () => {
  const one = await bench();
  await one.conductor.invoke({ name: "another" });
  const ran: number[] = [];
  const countdown = one.task<number>("countdown", async (n) => {
    ran.push(n);
    if (n > 0) await one.conductor.invoke(countdown, n - 1);
  });
  const begun = performance.now();
  await one.orchestrator({ tasks: [countdown] }).drain();
  expect(performance.now() - begun).toBeLessThan(1000);
  await one.conductor.invoke(countdown, 5);
  const later = await one.conductor.invoke(countdown, 0, {
    runAt: new Date(Date.now() + 3_600_000),
  });
  const orchestrator = one.orchestrator({ tasks: [countdown] });
  await orchestrator.drain();
  expect(orchestrator.info.isStopped).toBe(true);
  expect(ran).toEqual([5, 4, 3, 2, 1, 0]);
  expect(await one.conductor.execution(later)).toMatchObject({ status: "queued", attempts: 0 });
  expect(await left(one)).toEqual({ orchestrators: 0, locked: 0, jobs: 2 });
});

test("a drain waits for what another orchestrator of the queue runs, and not for the next try", async () => {
  const one = await bench();
  const held = gate();
  const begun = gate();
  const long = one.task("long", async () => {
    begun.open();
    await held.opened;
    throw new Error("to be tried again");
  });
  const id = await one.conductor.invoke(long);
  await one.orchestrator({ tasks: [long] }).start();
  await begun.opened;
  let drained = false;
  const draining = one.orchestrator({ tasks: [long] }).drain();
  void draining.then(() => (drained = true));
  await one.query("select pg_sleep(0.4)");
  expect(drained).toBe(false);
  held.open();
  await draining;
  expect(await one.conductor.execution(id)).toMatchObject({ status: "queued", attempts: 1 });
});

test("a stop lets what runs go on to its next checkpoint, and another process goes on from there", async () => {
  const one = await bench();
  const ran: string[] = [];
  const inStep = gate();
  const goOn = gate();
  const long = one.task("long", async (_, ctx) => {
    await ctx.step("first", async () => {
      inStep.open();
      await goOn.opened;
      ran.push("first");
    });
    ran.push("between");
    await ctx.step("second", () => void ran.push(`second in try ${ctx.attempt}`));
  });
  const free = one.task("free", async () => {
    await goOn.opened;
    ran.push("free");
    return "free";
  });
  const tasks = [long, free];
  const first = one.orchestrator({ tasks });
  const id = await one.conductor.invoke(long);
  const freeId = await one.conductor.invoke(free);
  await first.start();
  await inStep.opened;
  const stopping = first.stop();
  const late = await one.conductor.invoke(free);
  goOn.open();
  await stopping;
  // What has no checkpoint goes on to its end.
  expect(await one.conductor.execution(freeId)).toMatchObject({ status: "completed" });
  expect(await one.conductor.execution(late)).toMatchObject({ status: "queued", attempts: 0 });
  expect(await one.conductor.execution(id)).toMatchObject({ status: "queued", attempts: 0 });
  expect(ran.sort()).toEqual(["between", "first", "free"]);
  expect(await left(one)).toMatchObject({ orchestrators: 0, locked: 0 });
  await one.orchestrator({ tasks }).start();
  expect(await one.conductor.ended(id)).toMatchObject({ status: "completed", attempts: 1 });
  expect(ran).toContain("second in try 1");
});

test("workers of several queues, each with its own figures and tasks", async () => {
  const one = await bench();
  const ran: string[] = [];
  let now = 0;
  let most = 0;
  const mail = one.task(
    "send",
    async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now -= 1;
      ran.push("mail");
    },
    { queue: "mail" },
  );
  const same = one.task("send", () => void ran.push("default"));
  const config = { concurrency: 2, fetchBatchSize: 1, pollIntervalMs: 100, flushIntervalMs: 0 };
  const workers = [one.conductor.createWorker({ queue: "mail", tasks: [mail], config })];
  for (let n = 0; n < 10; n += 1) await one.conductor.invoke(mail);
  await one.conductor.invoke(same);
  const orchestrator = one.orchestrator({ tasks: [same], workers });
  expect(orchestrator.info.workers.map(({ queue, config }) => [queue, config.concurrency])).toEqual(
    [
      ["default", 10],
      ["mail", 2],
    ],
  );
  await orchestrator.drain();
  expect(ran.filter((queue) => queue === "mail").length).toBe(10);
  expect(ran.filter((queue) => queue === "default").length).toBe(1);
  expect(most).toBe(2);
});

test("a worker's figures are those that graphile-worker works with", async () => {
  const one = await bench();
  const held = gate();
  const hold = one.task("hold", () => held.opened);
  for (let n = 0; n < 30; n += 1) await one.conductor.invoke(hold);
  const orchestrator = one.orchestrator({
    tasks: [hold],
    defaultWorker: {
      concurrency: 2,
      fetchBatchSize: 7,
      pollIntervalMs: 3000,
      flushIntervalMs: 400,
    },
  });
  await orchestrator.start();
  const running = async (): Promise<number> =>
    (await one.query("select from orchestrator_tasks.executions where status = 'running'")).length;
  await until(async () => (await running()) === 2);
  // A batch was fetched, of which two run; the rest is held until the next poll is due.
  expect(await left(one)).toMatchObject({ locked: 7, jobs: 30 });
  held.open();
  await until(async () => (await left(one)).locked === 0 && (await running()) === 0);
  const ended = await one.query<{ ms: number }>(
    "select extract(epoch from max(ended_at) - min(ended_at)) * 1000 as ms from orchestrator_tasks.executions",
  );
  // How they ended was not gathered, only that their deliveries are done.
  expect(Number(ended[0]!.ms)).toBeLessThan(2000);
  await until(async () => (await left(one)).jobs === 0);
  const soon = await one.conductor.invoke(hold, {}, { runAt: new Date(Date.now() + 100) });
  const invoked = performance.now();
  await one.conductor.ended(soon);
  // Nothing tells that its time has come but the next poll.
  expect(performance.now() - invoked).toBeGreaterThan(500);
});

test("a worker of graphile-worker that gives up is replaced, also while something runs", async () => {
  const one = await bench();
  const held = gate();
  const begun = gate();
  const long = one.task("long", () => {
    begun.open();
    return held.opened;
  });
  const short = one.task("short", nothing);
  await one.orchestrator({ tasks: [long, short] }).start();
  const running = await one.conductor.invoke(long);
  await begun.opened;
  // What it is told when any schema of graphile-worker's is migrated in this database.
  await one.query(
    `select pg_notify('worker:migrate', '{"migrationNumber": 99, "breaking": true}')`,
  );
  await until(() => one.lines.some(({ message }) => message.includes("has given up")));
  const next = await one.conductor.invoke(short);
  expect(await one.conductor.ended(next)).toMatchObject({ status: "completed" });
  expect(process.exitCode).toBeUndefined();
  held.open();
  expect(await one.conductor.ended(running)).toMatchObject({ status: "completed", attempts: 1 });
});
