import { afterAll, beforeAll, expect, test } from "vitest";
import type { TaskContext } from "../../src/worker/index.ts";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { benches, gate, goOn } from "./support.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterAll(() => postgres?.stop());

const bench = benches(() => postgres);
const quick = { pollIntervalMs: 50, flushIntervalMs: 0 };

test("tries after 15, 30, 60 and again 60 seconds; then it has failed, with the last error", async () => {
  const one = await bench({ clock: true });
  const tries: number[] = [];
  const failing = one.task(
    "failing",
    (_, ctx) => {
      tries.push(ctx.attempt);
      throw new Error(`no ${ctx.attempt}`);
    },
    { maxAttempts: 5 },
  );
  const id = await one.conductor.invoke(failing);
  await one.orchestrator({ tasks: [failing], defaultWorker: quick }).start();
  const tried = (count: number): Promise<void> =>
    until(async () => (await one.conductor.execution(id))?.lastError === `no ${count}`);
  for (const [index, seconds] of [15, 30, 60, 60].entries()) {
    await tried(index + 1);
    const [left] = await one.query<{ ms: number }>(
      `select extract(epoch from run_at - now()) * 1000 as ms from orchestrator_tasks.executions`,
    );
    expect(Number(left?.ms)).toBeGreaterThan(seconds * 1000 - 1000);
    expect(Number(left?.ms)).toBeLessThanOrEqual(seconds * 1000);
    await goOn(one, seconds * 1000 - 1000);
    // Not before its time.
    await one.query("select pg_sleep(0.15)");
    expect(tries.length).toBe(index + 1);
    await goOn(one, 1000);
  }
  expect(await one.conductor.ended(id)).toMatchObject({
    status: "failed",
    attempts: 5,
    lastError: "no 5",
  });
  expect(tries).toEqual([1, 2, 3, 4, 5]);
  expect(one.lines.filter(({ level }) => level === "error")).toEqual([
    expect.objectContaining({ task: "failing", execution: id, error: "no 5" }),
  ]);
});

test("three tries by default; an error that is none", async () => {
  const one = await bench({ clock: true });
  const failing = one.task("failing", () => Promise.reject("a\0b"));
  const id = await one.conductor.invoke(failing);
  await one.orchestrator({ tasks: [failing], defaultWorker: quick }).start();
  for (const attempts of [1, 2]) {
    await until(async () => {
      const execution = await one.conductor.execution(id);
      return execution?.status === "queued" && execution.attempts === attempts;
    });
    await goOn(one, 30_000);
  }
  expect(await one.conductor.ended(id)).toMatchObject({ status: "failed", lastError: "a\uFFFDb" });
});

test("a step runs once, whatever comes after it; each try sees the same value", async () => {
  const one = await bench({ clock: true });
  const ran: string[] = [];
  const seen: unknown[] = [];
  const stepped = one.task("stepped", async (_, ctx) => {
    const first = await ctx.step("first", () => {
      ran.push("first");
      return { a: [1], none: undefined };
    });
    const empty = await ctx.step("empty", () => void ran.push("empty"));
    const nothing = await ctx.step("null", () => null);
    seen.push([first, empty, nothing]);
    await ctx.step("second", async () => {
      ran.push("second");
      if (ctx.attempt < 3) throw new Error("not yet");
    });
    return "done";
  });
  const id = await one.conductor.invoke(stepped);
  await one.orchestrator({ tasks: [stepped], defaultWorker: quick }).start();
  for (const attempt of [1, 2]) {
    await until(() => ran.filter((name) => name === "second").length === attempt);
    await until(async () => (await one.conductor.execution(id))?.status === "queued");
    await goOn(one, 30_000);
  }
  expect(await one.conductor.ended(id)).toMatchObject({ status: "completed", result: "done" });
  expect(ran).toEqual(["first", "empty", "second", "second", "second"]);
  const values = [{ a: [1] }, undefined, null];
  expect(seen).toEqual([values, values, values]);
  expect(Object.keys((seen[0] as object[])[0]!)).toEqual(["a"]);
});

test("where a task is invoked by its name alone, its worker says how often it is tried", async () => {
  const one = await bench();
  const once = one.task("once", () => Promise.reject(new Error("no")), { maxAttempts: 1 });
  const id = await one.conductor.invoke({ name: "once" });
  expect(await one.conductor.execution(id)).not.toHaveProperty("maxAttempts");
  const more = await one.conductor.invoke({ name: "once", maxAttempts: 2 });
  await one.orchestrator({ tasks: [once], defaultWorker: quick }).drain();
  expect(await one.conductor.execution(id)).toMatchObject({ status: "failed", attempts: 1 });
  expect(await one.conductor.execution(more)).toMatchObject({ status: "queued", attempts: 1 });
});

test("what a handler must not do fails the try and says so", async () => {
  const one = await bench();
  const handlers: Record<string, (ctx: TaskContext) => unknown> = {
    'There is a step "a" in this execution already': async (ctx) => {
      await ctx.step("a", () => 1);
      await ctx.step("a", () => 2);
    },
    'The result of step "a" must be JSON: at is a Date': (ctx) =>
      ctx.step("a", () => ({ at: new Date() })),
    'The result of task "t2" must be JSON: run is a function': () => ({ run: () => 1 }),
    'The sleep "a" must be a number of milliseconds, 0 or more (got -1)': (ctx) =>
      ctx.sleep("a", -1),
    "A step must have a name": (ctx) => ctx.step("", () => 1),
  };
  const tasks = Object.values(handlers).map((handler, index) =>
    one.task(`t${index}`, (_, ctx) => handler(ctx), { maxAttempts: 1 }),
  );
  const ids = await Promise.all(tasks.map((task) => one.conductor.invoke(task)));
  await one.orchestrator({ tasks, defaultWorker: quick }).drain();
  for (const [index, message] of Object.keys(handlers).entries()) {
    const execution = await one.conductor.execution(ids[index]!);
    expect(execution?.status).toBe("failed");
    expect(execution?.lastError).toContain(message);
  }
});

test("steps side by side, of which one sleeps: the others are done first", async () => {
  const one = await bench({ clock: true });
  const ran: string[] = [];
  const both = one.task("both", async (_, ctx) => {
    await Promise.all([
      ctx.sleep("long", 3_600_000),
      ctx.sleep("short", 600_000).then(() => ran.push("short")),
      (async () => {
        await ctx.step("a", () => ran.push("a"));
        await ctx.step("b", () => ran.push("b"));
      })(),
    ]);
    return ran.length;
  });
  const id = await one.conductor.invoke(both);
  await one.orchestrator({ tasks: [both], defaultWorker: quick }).start();
  const asleep = async (): Promise<boolean> =>
    (await one.conductor.execution(id))?.status === "queued";
  await until(() => ran.length === 2);
  await until(asleep);
  await goOn(one, 600_000);
  await until(() => ran.includes("short"));
  await until(asleep);
  await goOn(one, 3_000_000);
  expect(await one.conductor.ended(id)).toMatchObject({ status: "completed", attempts: 1 });
  expect(ran).toEqual(["a", "b", "short", "short"]);
});

test("a sleep frees its slot, and outlives the process that began it", async () => {
  const one = await bench({ clock: true });
  const ran: string[] = [];
  const sleeper = one.task("sleeper", async (_, ctx) => {
    await ctx.step("before", () => void ran.push("before"));
    await ctx.sleep("day", 86_400_000);
    ran.push("after");
  });
  const other = one.task("other", () => void ran.push("other"));
  const first = one.orchestrator({
    tasks: [sleeper, other],
    defaultWorker: { ...quick, concurrency: 1 },
  });
  const id = await one.conductor.invoke(sleeper);
  await first.start();
  await until(() => ran.includes("before"));
  await one.conductor.ended(await one.conductor.invoke(other));
  await first.stop();
  expect(await one.conductor.execution(id)).toMatchObject({ status: "queued", attempts: 0 });
  const second = one.orchestrator({ tasks: [sleeper, other], defaultWorker: quick });
  await second.start();
  await goOn(one, 86_399_000);
  await one.query("select pg_sleep(0.15)");
  expect(ran).toEqual(["before", "other"]);
  await goOn(one, 1000);
  expect(await one.conductor.ended(id)).toMatchObject({ status: "completed", attempts: 1 });
  expect(ran).toEqual(["before", "other", "after"]);
});

test("a race that a step wins over a sleep is not held up by it", async () => {
  const { conductor, task, orchestrator } = await bench();
  const race = task("race", (_, ctx) =>
    Promise.race([ctx.sleep("timeout", 3_600_000), ctx.step("fast", () => "fast")]),
  );
  const id = await conductor.invoke(race);
  await orchestrator({ tasks: [race] }).drain();
  expect(await conductor.execution(id)).toMatchObject({ status: "completed", result: "fast" });
});

test("what a handler gets", async () => {
  const one = await bench({ context: { shop: "ours" } });
  const only = one.conductor.createTask<number>(
    { name: "only" },
    { invocable: true },
    (event, ctx) => {
      ctx.logger.info("at work", { more: true });
      return { event, context: ctx.context, attempt: ctx.attempt, id: ctx.executionId } as never;
    },
  );
  const id = await one.conductor.invoke(only as never, 7);
  await one.orchestrator({ tasks: [only as never] }).start();
  expect((await one.conductor.ended(id)).result).toEqual({
    event: { name: "invoke", payload: 7 },
    context: { shop: "ours" },
    attempt: 1,
    id,
  });
  expect(one.lines).toContainEqual({
    level: "info",
    message: "at work",
    more: true,
    task: "only",
    queue: "default",
    execution: id,
  });
});

test("no more of a task at once than its concurrency, and all of them in the end, the highest first", async () => {
  const one = await bench();
  let now = 0;
  let most = 0;
  const order: number[] = [];
  const limited = one.task<number>(
    "limited",
    async (n, ctx) => {
      most = Math.max(most, ++now);
      order.push(n);
      await ctx.step("work", () => new Promise((resolve) => setTimeout(resolve, 5)));
      now -= 1;
      if (n === 5) throw new Error("one fails");
    },
    { concurrency: 2, maxAttempts: 1 },
  );
  const ids = await Promise.all(
    Array.from({ length: 40 }, (_, n) => one.conductor.invoke(limited, n, { priority: n })),
  );
  await one.orchestrator({ tasks: [limited], defaultWorker: quick }).start();
  const all = await Promise.all(ids.map((id) => one.conductor.ended(id)));
  expect(all.filter(({ status }) => status === "completed").length).toBe(39);
  expect(most).toBe(2);
  // The first may be any of those that were fetched together.
  expect(order.indexOf(39)).toBeLessThan(12);
  expect(order.indexOf(0)).toBeGreaterThan(35);
});

test("a place below a limit that a cancelled or failed one gives up is taken", async () => {
  const one = await bench();
  const begun = gate();
  const ran: unknown[] = [];
  const single = one.task(
    "single",
    async (payload, ctx) => {
      ran.push(payload);
      if (payload !== "first") return;
      begun.open();
      await new Promise((_, reject) =>
        ctx.signal.addEventListener("abort", () => reject(new Error("aborted"))),
      );
    },
    { concurrency: 1 },
  );
  const first = await one.conductor.invoke(single, "first", { priority: 1 });
  await one.orchestrator({ tasks: [single], defaultWorker: quick }).start();
  await begun.opened;
  const second = await one.conductor.invoke(single, "second");
  await until(
    async () =>
      (await one.query("select from orchestrator_tasks.executions where parked")).length === 1,
  );
  await one.conductor.cancel(first);
  expect(await one.conductor.ended(second)).toMatchObject({ status: "completed" });
  expect(ran).toEqual(["first", "second"]);
});
