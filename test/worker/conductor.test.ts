import { randomUUID } from "node:crypto";
import { Pool } from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import { Conductor } from "../../src/worker/index.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { benches, gate } from "./support.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterAll(() => postgres?.stop());

const bench = benches(() => postgres);
const invocable = { invocable: true } as const;
const nothing = (): void => undefined;

test("what a payload must be, and which tasks there are, as declared", async () => {
  const { conductor } = await bench({
    tasks: [{ name: "greet", payload: z.object({ name: z.string().trim() }) }, { name: "other" }],
  });
  const greet = conductor.createTask({ name: "greet" }, invocable, nothing);
  const id = await conductor.invoke(greet, { name: " Ada " });
  expect(await conductor.execution(id)).toMatchObject({ payload: { name: "Ada" } });
  await expect(conductor.invoke({ name: "greet" }, { name: 1 })).rejects.toMatchObject({
    code: "INPUT_VALIDATION_FAILED",
    message: expect.stringContaining('The payload of the task "greet" is invalid: name: '),
    data: { issues: [{ path: "name" }] },
  });
  const message =
    'There is no task "grete" of the queue "default" among the declared: default/greet, default/other';
  expect(() => conductor.createTask({ name: "grete" }, invocable, nothing)).toThrow(message);
  await expect(conductor.invoke({ name: "grete" })).rejects.toThrow(message);
});

test("an execution is queued, read, and read once it has ended", async () => {
  const { conductor, task, orchestrator } = await bench();
  const add = task<{ n: number }>("add", ({ n }, ctx) => ({ sum: n + 1, attempt: ctx.attempt }));
  const id = await conductor.invoke(add, { n: 1 }, { priority: 3 });
  expect(await conductor.execution(id)).toEqual({
    id: expect.stringMatching(/^[\da-f-]{36}$/),
    task: "add",
    queue: "default",
    status: "queued",
    attempts: 0,
    maxAttempts: 3,
    priority: 3,
    payload: { n: 1 },
    runAt: expect.any(String),
    createdAt: expect.any(String),
  });
  const ended = conductor.ended(id);
  await orchestrator({ tasks: [add] }).start();
  expect(await ended).toMatchObject({
    status: "completed",
    attempts: 1,
    result: { sum: 2, attempt: 1 },
    startedAt: expect.any(String),
    endedAt: expect.any(String),
  });
});

test("an execution that there is not", async () => {
  const { conductor } = await bench();
  for (const id of [randomUUID(), "nothing"]) {
    expect(await conductor.execution(id)).toBeUndefined();
    expect(await conductor.cancel(id)).toBe(false);
    await expect(conductor.ended(id)).rejects.toMatchObject({ code: "UNKNOWN_EXECUTION" });
  }
});

test("waiting for an end is given up with the signal's reason", async () => {
  const { conductor, task } = await bench();
  const id = await conductor.invoke(task("never", nothing));
  const reason = new Error("no more");
  await expect(conductor.ended(id, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const abort = new AbortController();
  const waiting = conductor.ended(id, { signal: abort.signal });
  abort.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});

test("the higher priority first, then who came first; what is due later does not run", async () => {
  const { conductor, task, orchestrator } = await bench();
  const ran: unknown[] = [];
  const note = task("note", (payload) => void ran.push(payload));
  await conductor.invoke(note, "a");
  await conductor.invoke(note, "low", { priority: -5 });
  await conductor.invoke(note, "b");
  await conductor.invoke(note, "high", { priority: 32_767 });
  await conductor.invoke(note, "later", { priority: 9, runAt: new Date(Date.now() + 60_000) });
  await conductor.invoke(note, "past", { priority: 1, runAt: new Date(0) });
  await orchestrator({ tasks: [note], defaultWorker: { concurrency: 1 } }).drain();
  expect(ran).toEqual(["high", "past", "a", "b", "low"]);
});

test("a key that is queued or running is the same execution", async () => {
  const { conductor, task, orchestrator } = await bench();
  const held = gate();
  const running = gate();
  const once = task("once", () => {
    running.open();
    return held.opened;
  });
  const other = task("other", nothing);
  const keyed = { dedupeKey: "k" };
  const ids = await Promise.all(Array.from({ length: 20 }, () => conductor.invoke(once, 1, keyed)));
  expect(new Set(ids).size).toBe(1);
  expect(await conductor.invoke(once, 1, { dedupeKey: "l" })).not.toBe(ids[0]);
  expect(await conductor.invoke(other, 1, keyed)).not.toBe(ids[0]);
  await orchestrator({ tasks: [once, other] }).start();
  await running.opened;
  expect(await conductor.invoke(once, 2, keyed)).toBe(ids[0]);
  held.open();
  expect(await conductor.ended(ids[0]!)).toMatchObject({ status: "completed", payload: 1 });
  expect(await conductor.invoke(once, 3, keyed)).not.toBe(ids[0]);
});

test("a queued execution that was cancelled never runs", async () => {
  const { conductor, task, orchestrator } = await bench();
  const ran: unknown[] = [];
  const note = task("note", (payload) => void ran.push(payload));
  const id = await conductor.invoke(note, "cancelled");
  await conductor.invoke(note, "other");
  expect(await conductor.cancel(id)).toBe(true);
  expect(await conductor.cancel(id)).toBe(false);
  await orchestrator({ tasks: [note] }).drain();
  expect(ran).toEqual(["other"]);
  expect(await conductor.execution(id)).toMatchObject({ status: "canceled", attempts: 0 });
});

test("a running execution that is cancelled has its signal aborted, and does not go on", async () => {
  const one = await bench();
  const reached: string[] = [];
  const begun = gate();
  const long = one.task("long", async (_, ctx) => {
    begun.open();
    await new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve()));
    reached.push((ctx.signal.reason as Error).name);
    await ctx.checkpoint();
    reached.push("after the checkpoint");
  });
  const id = await one.conductor.invoke(long, {}, { dedupeKey: "k" });
  await one.orchestrator({ tasks: [long], defaultWorker: { pollIntervalMs: 50 } }).start();
  await begun.opened;
  const told = performance.now();
  expect(await one.conductor.cancel(id)).toBe(true);
  expect(await one.conductor.ended(id)).toMatchObject({ status: "canceled" });
  expect(performance.now() - told).toBeLessThan(1000);
  expect(reached).toEqual(["AbortError"]);
  expect(await one.conductor.cancel(id)).toBe(false);
});

test.each([
  ["fails", () => Promise.reject(new Error("aborted"))],
  ["answers all the same", () => "too late"],
])("a cancelled execution whose handler %s was cancelled", async (_, end) => {
  const one = await bench();
  const begun = gate();
  const cancelled = gate();
  const long = one.task("long", async () => {
    begun.open();
    await cancelled.opened;
    return end();
  });
  const id = await one.conductor.invoke(long);
  await one.orchestrator({ tasks: [long], defaultWorker: { pollIntervalMs: 50 } }).start();
  await begun.opened;
  await one.conductor.cancel(id);
  cancelled.open();
  const ended = await one.conductor.ended(id);
  expect(ended.status).toBe("canceled");
  expect(ended.result).toBeUndefined();
});

test("a pool of the caller's is used, left open, and left without listeners", async () => {
  const url = await postgres.createDatabase("pooled");
  const pool = new Pool({ connectionString: url, max: 4 });
  pool.on("error", nothing);
  const events = ["error", "connect", "acquire", "release"];
  const before = events.map((event) => pool.listenerCount(event));
  try {
    const { conductor, task, orchestrator } = await bench({ pool });
    const note = task("note", () => "done");
    const id = await conductor.invoke(note);
    await orchestrator({ tasks: [note], defaultWorker: { flushIntervalMs: 150 } }).drain();
    expect(await conductor.execution(id)).toMatchObject({ status: "completed", result: "done" });
    await conductor.close();
    expect(events.map((event) => pool.listenerCount(event))).toEqual(before);
    expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    await expect(conductor.invoke(note)).rejects.toMatchObject({ code: "INVALID_STATE" });
  } finally {
    await pool.end();
  }
  // What graphile-worker has gathered is its business no more.
  const complaints = vi.spyOn(console, "error");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(complaints).not.toHaveBeenCalled();
  complaints.mockRestore();
});

test("a pool that is too small is refused, before it locks itself up", async () => {
  const pool = new Pool({ connectionString: postgres.url, max: 2 });
  try {
    const { task, orchestrator } = await bench({ pool });
    const started = orchestrator({ tasks: [task("a", nothing)] }).start();
    await expect(started).rejects.toThrow("must have room for 3 connections or more");
  } finally {
    await pool.end();
  }
});

test("many processes make the schema at once; a graphile-worker of the app's own is left alone", async () => {
  const url = await postgres.createDatabase("schema");
  const { run } = await import("graphile-worker");
  const pool = new Pool({ connectionString: url });
  pool.on("error", nothing);
  pool.on("connect", (client) => client.on("error", nothing));
  const theirs = await run({
    pgPool: pool,
    taskList: { none: nothing },
    parsedCronItems: [],
    noHandleSignals: true,
  });
  let stopped = false;
  void theirs.promise.then(() => (stopped = true));
  const conductors = Array.from({ length: 6 }, () => Conductor.create({ connectionString: url }));
  try {
    const ids = await Promise.all(conductors.map((one) => one.invoke({ name: "a" })));
    expect(new Set(ids).size).toBe(6);
    // It hears of what was told by now.
    await pool.query("select pg_sleep(0.2)");
    expect(stopped).toBe(false);
    expect(process.exitCode).toBeUndefined();
  } finally {
    await theirs.stop();
    await pool.end();
    await Promise.all(conductors.map((one) => one.close()));
  }
});
