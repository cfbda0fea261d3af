// A process with workers, as an app would write one. What its tasks do is seen in the table `marks`.
import { Pool } from "pg";
import { Conductor, Orchestrator } from "../../src/worker/index.ts";

const connectionString = process.env.DATABASE_URL as string;
const marks = new Pool({ connectionString, max: 2, allowExitOnIdle: true });
marks.on("error", () => undefined);

/** Says what was done, also while Postgres is away for a moment. */
async function mark(what: string): Promise<void> {
  for (;;) {
    try {
      await marks.query("insert into marks (what, pid) values ($1, $2)", [what, process.pid]);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const until = (path: string): Promise<void> =>
  new Promise((resolve) => {
    const look = async (): Promise<void> => {
      const { rows } = await marks
        .query("select from marks where what = $1", [path])
        .catch(() => ({ rows: [] }));
      if (rows.length > 0) return resolve();
      setTimeout(look, 50);
    };
    void look();
  });

const conductor = Conductor.create({ connectionString });
const invocable = { invocable: true } as const;

const count = conductor.createTask<number>({ name: "count" }, invocable, ({ payload }) =>
  mark(`count ${payload}`),
);
const limited = conductor.createTask<number>(
  { name: "limited", concurrency: 3 },
  invocable,
  async ({ payload }) => {
    await mark(`begin ${payload}`);
    // Long enough to be seen beside others.
    await new Promise((resolve) => setTimeout(resolve, 150));
    await mark(`end ${payload}`);
  },
);
const steps = conductor.createTask<string>(
  { name: "steps" },
  invocable,
  async ({ payload }, ctx) => {
    ctx.signal.addEventListener("abort", () => console.log(`aborted ${payload}`));
    const pid = await ctx.step("first", async () => {
      await mark(`first ${payload}`);
      return process.pid;
    });
    if (pid === process.pid) {
      console.log(`between ${payload}`);
      await until(`go ${payload}`);
    }
    await ctx.step("second", () => mark(`second ${payload}`));
    await mark(`end ${payload}`);
    return { first: pid, end: process.pid };
  },
);
const stubborn = conductor.createTask({ name: "stubborn" }, invocable, async (_, ctx) => {
  ctx.signal.addEventListener("abort", () => console.log("stubborn was cancelled"));
  console.log("stubborn begins");
  await until("stubborn may end");
});
const tick = conductor.createTask(
  { name: "tick" },
  [{ cron: "* * * * *", name: "every-minute" }, invocable],
  (event) => mark("scheduledAt" in event ? `${event.name} ${event.scheduledAt}` : "invoked"),
);

const orchestrator = Orchestrator.create({
  conductor,
  tasks: [count, limited, steps, stubborn, tick],
  defaultWorker: { pollIntervalMs: 100, flushIntervalMs: 200 },
});
process.on("SIGTERM", () => console.log("told to end"));
await orchestrator.start();
console.log(`started ${orchestrator.info.id}`);
await orchestrator.stopped;
console.log("stopped");
