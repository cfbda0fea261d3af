import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { type Running, startNode } from "../_support/process.ts";
import { bundledChild } from "../world/bundled-child.ts";
import { type Bench, benches, goOn } from "./support.ts";

let postgres: TestPostgres;
const { dir, child } = bundledChild(new URL("process-child.ts", import.meta.url));
beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterAll(() => postgres?.stop());
const bench = benches(() => postgres);
const running = new Set<Running>();
afterEach(async () => {
  await Promise.all([...running].map((one) => one.stop("SIGKILL")));
  running.clear();
});

/** A database with the table that the processes' tasks write to. */
async function prepared(options: { clock?: boolean } = {}): Promise<Bench> {
  const one = await bench(options);
  await one.query(
    "create table marks (n serial, what text not null, pid int not null, at timestamptz not null default pg_catalog.clock_timestamp())",
  );
  return one;
}

function start({ url }: Bench): Running {
  const one = startNode([child], dir, { DATABASE_URL: url });
  running.add(one);
  return one;
}

async function started(one: Bench, count: number): Promise<Running[]> {
  const all = Array.from({ length: count }, () => start(one));
  await Promise.all(all.map((process) => process.printed(/^started /m)));
  return all;
}

async function marks({ query }: Bench, like: string): Promise<{ what: string; pid: number }[]> {
  return query("select what, pid from marks where what like $1 order by n", [like]);
}

test("four processes do 1,000 executions once each, and keep a task's limit together", async () => {
  const one = await prepared();
  const count = { name: "count" };
  const limited = { name: "limited" };
  const first = await Promise.all(
    Array.from({ length: 500 }, (_, n) => one.conductor.invoke(count, n)),
  );
  const processes = await started(one, 4);
  const rest = await Promise.all([
    ...Array.from({ length: 500 }, (_, n) => one.conductor.invoke(count, 500 + n)),
    ...Array.from({ length: 24 }, (_, n) => one.conductor.invoke(limited, n)),
  ]);
  const ended = await Promise.all([...first, ...rest].map((id) => one.conductor.ended(id)));
  expect(new Set(ended.map(({ status, attempts }) => `${status} ${attempts}`))).toEqual(
    new Set(["completed 1"]),
  );
  const done = await marks(one, "count %");
  expect(done.length).toBe(1000);
  expect(new Set(done.map(({ what }) => what)).size).toBe(1000);
  expect(new Set(done.map(({ pid }) => pid)).size).toBe(4);
  let now = 0;
  let most = 0;
  for (const { what } of await one.query<{ what: string }>(
    "select what from marks where what like 'begin %' or what like 'end %' order by at, n",
  )) {
    now += what.startsWith("begin") ? 1 : -1;
    most = Math.max(most, now);
  }
  expect(now).toBe(0);
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(3);
  const codes = await Promise.all(
    processes.map((process, n) => process.stop(n % 2 === 0 ? "SIGTERM" : "SIGINT")),
  );
  expect(codes).toEqual([0, 0, 0, 0]);
  const [left] = await one.query<{ left: number }>(`select
    (select count(*) from orchestrator_tasks.orchestrators)
    + (select count(*) from orchestrator_jobs.jobs) as left`);
  expect(Number(left!.left)).toBe(0);
});

test("what a process did that dies, or that is silent for long, another goes on with", async () => {
  const one = await prepared();
  const [dies] = await started(one, 1);
  const killed = await one.conductor.invoke({ name: "steps" }, "killed");
  await dies!.printed(/between killed/);
  const survivor = start(one);
  const late = start(one);
  await Promise.all([survivor.printed(/^started /m), late.printed(/^started /m)]);
  await dies!.stop("SIGKILL");
  const died = performance.now();
  // One of the two gets it; the other one takes over.
  const paused = await one.conductor.invoke({ name: "steps" }, "paused");
  const [silent, other] = await Promise.race([
    late.printed(/between paused/).then(() => [late, survivor] as const),
    survivor.printed(/between paused/).then(() => [survivor, late] as const),
  ]);
  silent.child.kill("SIGSTOP");
  try {
    const taken = await one.conductor.ended(killed);
    expect(performance.now() - died).toBeLessThan(15_000);
    expect(taken).toMatchObject({
      status: "completed",
      attempts: 1,
      result: { first: dies!.child.pid, end: other.child.pid },
    });
    expect(await one.conductor.ended(paused)).toMatchObject({
      status: "completed",
      attempts: 1,
      result: { first: silent.child.pid, end: other.child.pid },
    });
  } finally {
    silent.child.kill("SIGCONT");
  }
  // It learns that it was given up, and must not end what is no longer its own.
  await silent.printed(/aborted paused/);
  await one.query("insert into marks (what, pid) values ('go paused', 0)");
  await until(async () => {
    const [row] = await one.query<{ count: string }>(
      "select count(*) from orchestrator_tasks.orchestrators",
    );
    return row?.count === "2";
  });
  expect((await marks(one, "first %")).map(({ what }) => what).sort()).toEqual([
    "first killed",
    "first paused",
  ]);
  expect((await marks(one, "end %")).map(({ pid }) => pid)).toEqual([
    other.child.pid,
    other.child.pid,
  ]);
  expect(await one.conductor.execution(paused)).toMatchObject({
    result: { end: other.child.pid },
  });
  // It works again.
  await other.stop("SIGTERM");
  const next = await one.conductor.ended(await one.conductor.invoke({ name: "count" }, 1));
  expect(next.status).toBe("completed");
});

test("a trigger of the clock fires once a minute with two processes", async () => {
  const one = await prepared({ clock: true });
  const minute = async (): Promise<number> => {
    const [row] = await one.query<{ ms: number }>("select extract(epoch from now()) * 1000 as ms");
    return Number(row!.ms);
  };
  // Three seconds before the next minute: unless the start takes longer, there are two ticks.
  await goOn(one, 117_000 - ((await minute()) % 60_000));
  const next = Math.ceil((await minute()) / 60_000) * 60_000;
  await started(one, 2);
  const at = (ms: number): string => `every-minute ${new Date(ms).toISOString()}`;
  const ticks = async (): Promise<string[]> =>
    (await marks(one, "every-minute %")).map(({ what }) => what);
  await until(async () => (await ticks()).includes(at(next)));
  await one.conductor.ended(await one.conductor.invoke({ name: "tick" }));
  // Both have looked by now.
  await one.query("select pg_sleep(0.3)");
  expect((await ticks()).filter((tick) => tick !== at(next - 60_000))).toEqual([at(next)]);
  expect((await ticks()).length).toBeLessThanOrEqual(2);
  expect((await marks(one, "invoked")).length).toBe(1);
});

test("an execution is cancelled from another process; a signal lets tasks end, a second one does not", async () => {
  const one = await prepared();
  const [process] = await started(one, 1);
  const id = await one.conductor.invoke({ name: "stubborn" });
  await process!.printed(/stubborn begins/);
  const told = performance.now();
  await one.conductor.cancel(id);
  await process!.printed(/stubborn was cancelled/);
  expect(performance.now() - told).toBeLessThan(1000);
  process!.child.kill("SIGTERM");
  await process!.printed(/told to end/);
  await one.conductor.invoke({ name: "count" }, 1);
  // Sooner, the second would be the first once more.
  await one.query("select pg_sleep(0.2)");
  expect(process!.child.exitCode).toBeNull();
  expect(await process!.stop("SIGTERM")).toBe(143);
  expect(await marks(one, "count 1")).toEqual([]);
  expect(process!.output()).not.toContain("stopped");
});

test("Postgres is restarted: processes recover by themselves, and what ran goes on", async () => {
  const one = await prepared();
  const [process] = await started(one, 1);
  const id = await one.conductor.invoke({ name: "steps" }, "restart");
  await process!.printed(/between restart/);
  const waiting = one.conductor.ended(id);
  await postgres.restart();
  await until(async () => {
    await one.query("insert into marks (what, pid) values ('go restart', 0)");
    return true;
  });
  expect(await waiting).toMatchObject({
    status: "completed",
    attempts: 1,
    result: { first: process!.child.pid, end: process!.child.pid },
  });
  const more = await Promise.all(
    Array.from({ length: 20 }, (_, n) => one.conductor.invoke({ name: "count" }, n)),
  );
  for (const id of more) expect((await one.conductor.ended(id)).status).toBe("completed");
  expect(await process!.stop("SIGTERM")).toBe(0);
});
