import { AsyncLocalStorage } from "node:async_hooks";
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createDispatcher, type Dispatcher } from "../../src/core/dispatch.ts";
import { createLeases } from "../../src/core/leases.ts";
import { createLoadBalancer } from "../../src/core/load-balancer.ts";
import { InMemoryServerRegistry } from "../../src/core/server-registry.ts";
import { createHttpExecutor } from "../../src/executors/http.ts";
import type { RunnerContext } from "../../src/runner/index.ts";
import { wakingJournals } from "../../src/runtime/checkpoints.ts";
import { createInFlight } from "../../src/runtime/in-flight.ts";
import { createJobEvents } from "../../src/runtime/job-events.ts";
import { type Journals, looseJournals } from "../../src/runtime/journal.ts";
import { createLocalMode } from "../../src/runtime/local-mode.ts";
import { provideSteps } from "../../src/runtime/workflows/calls.ts";
import { installSteps } from "../../src/runtime/workflows/implementations.ts";
import { executeRunnerStep } from "../../src/runtime/workflows/steps.ts";
import type { JournalEntry } from "../../src/types/journal.ts";
import { silent } from "../runner/_support/lines.ts";
import { gate, serve } from "../runner/_support/serve.ts";
import { createRun, openWorld, until } from "../world/support.ts";
import { journalsOn, planned, shardOf, shardsOf } from "./support.ts";

beforeEach(() => void silent());

/** A runner that tells something at its start and more once it is let go. */
function telling() {
  const end = gate();
  let calls = 0;
  const check = async (ctx: RunnerContext) => {
    calls++;
    ctx.log("begun", { n: 1 });
    ctx.checkpoint("begun", { n: 1 });
    await end.opened;
    ctx.checkpoint("done");
    return { status: "pass" };
  };
  return { runners: { check }, end: end.open, calls: () => calls };
}

/** A dispatcher of one server. */
function dispatcherOf(url: string, execution = {}): Dispatcher {
  const servers = [{ id: "s1", url, region: "eu" }];
  const circuit = { failures: 5, cooldown: 1000 };
  return createDispatcher({
    registry: new InMemoryServerRegistry({ servers, circuit }),
    leases: createLeases(),
    loadBalancer: createLoadBalancer("least-load"),
    executor: createHttpExecutor(),
    execution: { attempts: 3, timeout: 20_000, wait: 5000, ...execution },
    random: () => 0,
  });
}

/** A run with journals, and what they have of it. */
async function run() {
  const world = await openWorld();
  const runId = await createRun(world);
  const journals = journalsOn(world);
  const entries = async (): Promise<JournalEntry[]> => (await journals.read(runId)).entries;
  const told = async (): Promise<string[]> => (await entries()).map(nameOf);
  return { runId, journals, entries, told };
}

function nameOf(entry: JournalEntry): string {
  if (entry.type === "log") return `log ${entry.message}`;
  return entry.type === "checkpoint" ? `checkpoint ${entry.kind}` : entry.type;
}

/** Journals that take no events. */
function refusing(journals: Journals): Journals {
  return {
    ...journals,
    append: async (runId, entries) => {
      if (entries.some(({ type }) => type === "log" || type === "checkpoint")) {
        throw new Error("the disk is full");
      }
      return journals.append(runId, entries);
    },
  };
}

const story = ["job.started", "log begun", "checkpoint begun", "checkpoint done", "job.completed"];

test.each(["remote", "local"] as const)(
  "what a runner tells is in the journal while its job runs, and before the job's end; mode %s",
  async (mode) => {
    const { runners, end } = telling();
    const { base } = await serve({ runners });
    const { runId, journals, entries, told } = await run();
    const local = createLocalMode({ exports: runners, timeout: 20_000 });
    const execute = mode === "local" ? local.run : dispatcherOf(base).dispatch;
    const executing = shardsOf(journals, execute).execute(runId, shardOf(planned("j"), { mode }));
    await until(async () => (await entries()).length === 3);
    expect(await told()).toEqual(story.slice(0, 3));
    const [, log, checkpoint] = await entries();
    expect(log).toEqual({
      type: "log",
      at: expect.any(Number),
      message: "begun",
      meta: { n: 1 },
      jobId: "j",
      runner: "check",
    });
    expect(checkpoint).toEqual({
      type: "checkpoint",
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      at: expect.any(Number),
      kind: "begun",
      data: { n: 1 },
      jobId: "j",
      runner: "check",
    });
    end();
    expect((await executing).counts).toMatchObject({ completed: 1 });
    expect(await told()).toEqual(story);
  },
);

test("an attempt that is cut off and made again journals each event once, in order", async () => {
  const { runners, end, calls } = telling();
  const { origin } = await serve({ runners });
  let requests = 0;
  const proxy = createServer((incoming, response) => {
    const first = ++requests === 1;
    const { method, headers, url } = incoming;
    const onward = forward(`${origin}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.on("data", (part) => {
        response.write(part);
        if (first) setTimeout(() => response.destroy(), 20);
      });
      answer.on("end", () => response.end());
    });
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  const { port } = proxy.address() as AddressInfo;
  const dispatcher = dispatcherOf(`http://127.0.0.1:${port}/api/runner`);
  const { runId, journals, told } = await run();
  const executing = shardsOf(journals, dispatcher.dispatch).execute(runId, shardOf(planned("j")));
  await until(() => requests === 2);
  end();
  expect((await executing).outcomes).toMatchObject([
    { ok: true, result: { attempts: [{ error: { code: "SERVER_UNREACHABLE" } }, {}] } },
  ]);
  expect((await told()).filter((name) => name !== "job.started")).toEqual(story.slice(1));
  expect(calls()).toBe(1);
});

test("a job that is taken up again journals only what its journal has not", async () => {
  const { runners, end } = telling();
  const { base } = await serve({ runners });
  const { runId, journals, entries, told } = await run();
  const first = createInFlight();
  const dispatch = dispatcherOf(base).dispatch;
  // A process that ends in the middle, and one that comes after it.
  void shardsOf(journals, dispatch, undefined, false, first).execute(runId, shardOf(planned("j")));
  await until(async () => (await entries()).length === 3);
  await first.drain(0);
  const again = shardsOf(journals, dispatch).execute(runId, shardOf(planned("j")));
  await new Promise((resolve) => setTimeout(resolve, 100));
  end();
  await again;
  expect((await told()).filter((name) => name !== "job.started")).toEqual(story.slice(1));
});

test("once its run has ended, what a job's runner tells is journalled no more", async () => {
  const late = gate();
  const { runId, journals, told } = await run();
  let cancel = (): void => undefined;
  const shards = shardsOf(
    journals,
    async (_job, { onEvent }) => {
      onEvent!({ event: "log", at: 1, message: "before", runner: "check" });
      await late.opened;
      onEvent!({ event: "log", at: 2, message: "after", runner: "check" });
      throw new Error("aborted");
    },
    (_runId, callback) => {
      cancel = callback;
      return () => undefined;
    },
  );
  const executing = shards.execute(runId, shardOf(planned("j")));
  await until(async () => (await told()).length === 2);
  cancel();
  late.open();
  expect((await executing).counts).toMatchObject({ cancelled: 1 });
  expect(await told()).toEqual(["job.started", "log before"]);
});

test("a journal that takes no events fails no job", async () => {
  const { runners, end } = telling();
  end();
  const { base } = await serve({ runners });
  const { runId, journals, told } = await run();
  const shards = shardsOf(refusing(journals), dispatcherOf(base).dispatch);
  expect((await shards.execute(runId, shardOf(planned("j")))).counts.completed).toBe(1);
  expect(await told()).toEqual(["job.completed"]);
});

test("of jobs that a run was not planned with, the events alone are kept, and only of a run", async () => {
  const { runners, end } = telling();
  end();
  const { base } = await serve({ runners });
  const { runId, journals, told } = await run();
  const loose = looseJournals(journals, (id) => id === runId);
  const shards = shardsOf(loose, dispatcherOf(base).dispatch);
  for (const id of [runId, "direct_1"]) await shards.execute(id, shardOf(planned("j")));
  expect(await told()).toEqual(story.slice(1, -1));
  expect((await journals.read("direct_1")).entries).toEqual([]);
});

test("who waits for a checkpoint is woken when it is stored", async () => {
  const { runId, journals, told } = await run();
  const woken: unknown[] = [];
  const waking = wakingJournals(journals, async (id, type) => {
    woken.push([id, type, (await told()).length]);
  });
  await waking.append(runId, [
    { type: "log", at: 1, message: "m" },
    { type: "checkpoint", id: "1", at: 1, kind: "approved" },
  ]);
  expect(woken).toEqual([[runId, "approved", 2]]);
});

/** Where the engine keeps which step is being executed. */
const stepContext = Symbol.for("WORKFLOW_STEP_CONTEXT_STORAGE") as never;

/** Executes a job as a step of a run, or of none. */
async function step(runId: string | undefined, job: string) {
  const execute = () => executeRunnerStep({ id: "s1" } as never, { id: job, runners: ["check"] });
  if (runId === undefined) return execute();
  const storage = globalThis[stepContext] as AsyncLocalStorage<object>;
  const stepMetadata = { stepId: "step_1", stepName: "executeRunner" };
  return storage.run({ stepMetadata, workflowMetadata: { workflowRunId: runId } }, execute);
}

test("a step of a workflow journals what the runners of its job tell, until its run has ended", async () => {
  const { runners, end } = telling();
  const { base } = await serve({ runners });
  const { runId, journals, entries, told } = await run();
  const watched: (() => void)[] = [];
  let stopped = 0;
  const written: string[] = [];
  const noting: Journals = {
    ...journals,
    append(id, added) {
      written.push(id);
      return journals.append(id, added);
    },
  };
  installSteps({
    dispatcher: dispatcherOf(base),
    inFlight: createInFlight(),
    onRunEnd: () => () => undefined,
    jobEvents: createJobEvents(noting, (_runId, callback) => {
      watched.push(callback);
      return () => void stopped++;
    }),
  } as never);
  onTestFinished(() => provideSteps(undefined));
  const executing = step(runId, "j");
  await until(async () => (await entries()).length === 2);
  end();
  expect(await executing).toMatchObject({ results: [{ status: "pass" }] });
  expect(await told()).toEqual(story.slice(1, -1));
  expect((await entries()).map((entry) => entry.jobId)).toEqual(["j", "j", "j"]);
  expect([watched.length, stopped]).toEqual([1, 1]);
  // The run has ended: the server answers at once, and nothing is added.
  const ended = createJobEvents(noting, (_runId, callback) => {
    callback();
    return () => undefined;
  })(runId, "k");
  ended.onEvent({ event: "log", at: 1, message: "late", runner: "check" });
  await ended.close();
  await step(undefined, "j");
  expect(written).toEqual([runId, runId, runId]);
});
