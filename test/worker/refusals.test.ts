import { Pool } from "pg";
import { expect, test } from "vitest";
import { ORDER, queueOfRegion } from "../../src/conductor/orders.ts";
import { Conductor, Orchestrator } from "../../src/worker/index.ts";

const nowhere = Conductor.create({ connectionString: "postgres://127.0.0.1:1/none" });
const invocable = { invocable: true } as const;
const nothing = (): void => undefined;
const task = nowhere.createTask({ name: "a" }, invocable, nothing);
const mail = nowhere.createTask({ name: "send", queue: "mail" }, invocable, nothing);
const worker = (): ReturnType<Conductor["createWorker"]> =>
  nowhere.createWorker({ queue: "mail", tasks: [mail] });

test("without a connection", () => {
  expect(() => Conductor.create({})).toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      message: "Conductor requires either a connectionString or a pool instance",
    }),
  );
});

test.each([
  [
    "two connections",
    () => Conductor.create({ connectionString: "postgres://a", pool: new Pool() }),
    "not both",
  ],
  [
    "no URL, of which pg makes the host `base`",
    () => Conductor.create({ connectionString: "secret" }),
    "Conductor: connectionString must be a URL such as postgres://localhost:5432/checks",
  ],
  [
    "an empty list of tasks",
    () => Orchestrator.create({ conductor: nowhere, tasks: [] }),
    "Orchestrator.create: tasks must be a list of at least one task, from conductor.createTask()",
  ],
  ["no pool", () => Conductor.create({ pool: {} as never }), "must be a Pool of the package pg"],
  ["no name", () => nowhere.createTask({} as never, invocable, nothing), "The task's name must be"],
  [
    "a queue with a slash",
    () => nowhere.createTask({ name: "a", queue: "b/c" }, invocable, nothing),
    'Task "a": queue must be up to 100 letters, digits or any of _ . : @ - (got "b/c")',
  ],
  [
    "names that are too long together",
    () => nowhere.createTask({ name: "a".repeat(70), queue: "b".repeat(58) }, invocable, nothing),
    "its queue and its name must have up to 127 characters together (got 128)",
  ],
  [
    "no attempts",
    () => nowhere.createTask({ name: "a", maxAttempts: 0 }, invocable, nothing),
    'Task "a": maxAttempts must be a whole number from 1 to 1000 (got 0)',
  ],
  [
    "half a place",
    () => nowhere.createTask({ name: "a", concurrency: 0.5 }, invocable, nothing),
    'Task "a": concurrency must be',
  ],
  [
    "no handler",
    () => nowhere.createTask({ name: "a" }, invocable, undefined as never),
    'Task "a": its handler must be a function',
  ],
  [
    "a trigger of neither kind",
    () => nowhere.createTask({ name: "a" }, { invocable: false } as never, nothing),
    'Task "a": a trigger must be { invocable: true } or { cron, name }',
  ],
  ["no triggers", () => nowhere.createTask({ name: "a" }, [], nothing), "it has no trigger"],
  [
    "no such hour",
    () => nowhere.createTask({ name: "a" }, { cron: "0 25 * * *", name: "late" }, nothing),
    'Task "a": the cron of the trigger "late" has a hour that is not from 0 to 23 (got "25")',
  ],
  [
    "two triggers of one name",
    () =>
      nowhere.createTask(
        { name: "a" },
        [
          { cron: "0 1 * * *", name: "x" },
          { cron: "0 2 * * *", name: "x" },
        ],
        nothing,
      ),
    'it has two triggers named "x"',
  ],
  [
    "a task of another queue",
    () => nowhere.createWorker({ queue: "pages", tasks: [mail] }),
    'is the task "send" of the queue "mail", not of "pages"',
  ],
  [
    "a figure of a worker",
    () => nowhere.createWorker({ queue: "mail", tasks: [mail], config: { fetchBatchSize: 0 } }),
    'Worker of the queue "mail": config.fetchBatchSize must be a whole number from 1 to 1000 (got 0)',
  ],
  [
    "a figure of the default worker",
    () =>
      Orchestrator.create({
        conductor: nowhere,
        tasks: [task],
        defaultWorker: { pollIntervalMs: 1 },
      }),
    "defaultWorker.pollIntervalMs must be a whole number from 10 to 3600000 (got 1)",
  ],
  [
    "a figure that there is not",
    () =>
      Orchestrator.create({
        conductor: nowhere,
        tasks: [task],
        defaultWorker: { threads: 1 } as never,
      }),
    "defaultWorker.threads is not a setting",
  ],
  [
    "two workers of one queue",
    () => Orchestrator.create({ conductor: nowhere, workers: [worker(), worker()] }),
    'There are two workers of the queue "mail"',
  ],
  [
    "two workers of the queue default",
    () =>
      Orchestrator.create({
        conductor: nowhere,
        tasks: [task],
        workers: [nowhere.createWorker({ queue: "default", tasks: [task] })],
      }),
    'There are two workers of the queue "default"',
  ],
  [
    "two tasks of one name",
    () => Orchestrator.create({ conductor: nowhere, tasks: [task, task] }),
    'tasks has two tasks named "a"',
  ],
  [
    "a task of another queue by default",
    () => Orchestrator.create({ conductor: nowhere, tasks: [mail] }),
    'conductor.createWorker({ queue: "mail", tasks })',
  ],
  [
    "nothing to do",
    () => Orchestrator.create({ conductor: nowhere }),
    "needs tasks, workers or both",
  ],
  [
    "no conductor",
    () => Orchestrator.create({ conductor: {} as never, tasks: [task] }),
    "conductor must be a conductor",
  ],
])("refused: %s", (_, create, message) => {
  expect(create).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining(message) }),
  );
});

test.each([
  ["a cron task", "not invocable", {}],
  ["a priority", "priority must be a whole number from -32767 to 32767", { priority: 40_000 }],
  ["a time", "runAt must be a valid Date", { runAt: new Date("never") }],
  ["a key", "dedupeKey must be a text of 1 to 500 characters", { dedupeKey: "" }],
])("refused at invoke: %s", async (what, message, options) => {
  const cron = nowhere.createTask({ name: "tick" }, { cron: "* * * * *", name: "t" }, nothing);
  const invoked = what === "a cron task" ? cron : task;
  const expected = what === "a cron task" ? "has no trigger { invocable: true }" : message;
  await expect(nowhere.invoke(invoked as never, {}, options)).rejects.toThrow(expected);
});

test("names that are too long together, at invoke", async () => {
  const task = { name: "a".repeat(100), queue: "b".repeat(100) };
  await expect(nowhere.invoke(task)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("up to 127 characters together (got 200)"),
  });
});

test("a queue for every region, however long its name", () => {
  const long = Array.from({ length: 2 }, (_, n) => queueOfRegion(`${"r".repeat(199)}${n}`));
  expect(new Set(long).size).toBe(2);
  for (const queue of long) expect(`${queue}/${ORDER}`.length).toBeLessThanOrEqual(128);
  expect(queueOfRegion("eu")).toBe("runners/eu");
});

test("a payload that is not JSON", async () => {
  await expect(nowhere.invoke(task, { at: new Date() })).rejects.toMatchObject({
    code: "NOT_JSON",
    message: 'The payload of the task "a" must be JSON: at is a Date',
  });
});
