import { expect, onTestFinished, test, vi } from "vitest";
import type { ExecuteContext } from "../../src/core/dispatch.ts";
import { createInFlight } from "../../src/runtime/in-flight.ts";
import { createJobEvents } from "../../src/runtime/job-events.ts";
import { provideSteps } from "../../src/runtime/workflows/calls.ts";
import { installSteps } from "../../src/runtime/workflows/implementations.ts";
import type { JobResult } from "../../src/types/run.ts";
import type { EmbeddedWorld } from "../../src/world/index.ts";
import { createRun, openWorld, sleep, until } from "../world/support.ts";
import { gate, journalsOn, passed, planned, shardOf, shardsOf, step } from "./support.ts";

/** Shards with a drain, whose jobs are executed by this. */
function draining(
  world: EmbeddedWorld,
  remote: (context: ExecuteContext) => Promise<JobResult>,
): { inFlight: ReturnType<typeof createInFlight>; shards: ReturnType<typeof shardsOf> } {
  const inFlight = createInFlight();
  const shards = shardsOf(
    journalsOn(world),
    (_job, context) => remote(context),
    undefined,
    false,
    inFlight,
  );
  return { inFlight, shards };
}

/** The ids of the jobs that have an end in the journal. */
async function endsOf(world: EmbeddedWorld, runId: string): Promise<string[]> {
  const { entries } = await journalsOn(world).read(runId);
  return entries.flatMap((entry) =>
    "jobId" in entry && !/started|waiting/.test(entry.type) ? [entry.jobId as string] : [],
  );
}

test("a drain begins no job, and ends when those in flight are journalled; the shard does not end", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const answer = gate();
  const begun: string[] = [];
  const { inFlight, shards } = draining(world, async ({ jobId }) => {
    begun.push(jobId);
    await answer.opened;
    return passed(jobId);
  });
  const settled = vi.fn<() => void>();
  const ids = Array.from({ length: 1000 }, (_, index) => `j${index}`);
  void shards.execute(runId, shardOf(planned(...ids), { window: 2 })).then(settled, settled);
  await until(() => begun.length === 2);
  const drained = inFlight.drain(10_000);
  answer.open();
  await drained;
  expect(await endsOf(world, runId)).toEqual(["j0", "j1"]);
  expect(begun).toEqual(["j0", "j1"]);
  expect(settled).not.toHaveBeenCalled();

  // The next start has the same shard, and executes what has no end.
  const next = await shardsOf(journalsOn(world), async (_job, { jobId }) => {
    begun.push(jobId);
    return passed(jobId);
  }).execute(runId, shardOf(planned(...ids)));
  expect(next.counts).toMatchObject({ total: 1000, completed: 1000 });
  expect(new Set(begun).size).toBe(begun.length);
});

test("jobs that wait for a server are handed back at once, and do not try another one", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const attempt = gate();
  const reasons: unknown[] = [];
  const { inFlight, shards } = draining(world, async ({ jobId, aside, signal }) => {
    if (jobId === "retries") await attempt.opened;
    try {
      await aside!(
        () =>
          new Promise<void>((_resolve, reject) =>
            onceAborted(signal!, () => reject(signal!.reason)),
          ),
      );
    } catch (reason) {
      reasons.push(reason);
      throw reason;
    }
    return passed(jobId);
  });
  void shards.execute(runId, shardOf(planned("waits", "retries"), { window: 2 }));
  await until(async () => (await journalsOn(world).read(runId)).entries.length === 2);
  const drained = inFlight.drain(10_000);
  await until(() => reasons.length === 1);
  attempt.open();
  await drained;
  expect(reasons).toHaveLength(2);
  await sleep(100);
  expect(await endsOf(world, runId)).toEqual([]);
});

test("what outlasts the drain is aborted, and what it answers then is no end", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const aborted: string[] = [];
  const { inFlight, shards } = draining(
    world,
    ({ jobId, signal }) =>
      new Promise((_resolve, reject) => {
        onceAborted(signal!, () => {
          aborted.push(jobId);
          reject(new Error("the connection was cut"));
        });
      }),
  );
  void shards.execute(runId, shardOf(planned("a", "b")));
  await until(async () => (await journalsOn(world).read(runId)).entries.length === 2);
  const startedAt = performance.now();
  await inFlight.drain(50);
  expect(performance.now() - startedAt).toBeLessThan(1000);
  expect(aborted).toEqual(["a", "b"]);
  await sleep(100);
  expect(await endsOf(world, runId)).toEqual([]);
  expect(inFlight.over.aborted).toBe(true);
});

test("with nothing in flight a drain is over at once, and again it is the same one", async () => {
  const inFlight = createInFlight();
  await inFlight.run(undefined, async () => "done");
  const drained = inFlight.drain(60_000);
  expect(inFlight.drain(1)).toBe(drained);
  await drained;
  const begun = vi.fn<() => Promise<void>>();
  void inFlight.run(undefined, begun);
  expect(begun).not.toHaveBeenCalled();
});

test("a job fails with its own error, and is aborted by its own signal, as long as nothing drains", async () => {
  const inFlight = createInFlight();
  const abort = new AbortController();
  const cut = inFlight.run(abort.signal, async ({ signal }) => {
    abort.abort("cancelled");
    signal.throwIfAborted();
  });
  await expect(cut).rejects.toBe("cancelled");
  await expect(inFlight.run(undefined, () => Promise.reject(new Error("own")))).rejects.toThrow(
    "own",
  );
});

function onceAborted(signal: AbortSignal, callback: () => void): void {
  if (signal.aborted) callback();
  else signal.addEventListener("abort", callback, { once: true });
}

test("a step that comes while the process drains watches nothing", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const inFlight = createInFlight();
  let watching = 0;
  const onRunEnd = () => (watching++, () => void watching--);
  const jobEvents = createJobEvents(journalsOn(world), onRunEnd);
  installSteps({
    inFlight,
    onRunEnd,
    jobEvents,
  } as never);
  onTestFinished(() => provideSteps(undefined));
  await inFlight.drain(0);
  void step(runId, "j");
  await new Promise(setImmediate);
  expect(watching).toBe(0);
});

test("a delivery that another process has by now gives its jobs up, and tells of no end", async () => {
  const lost = new AbortController();
  const inFlight = createInFlight(() => lost.signal);
  const settled = vi.fn<() => void>();
  const begun = gate();
  let aborted = false;
  const execution = inFlight.run(undefined, async ({ signal }) => {
    begun.open();
    await new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  });
  void execution.then(settled, settled);
  await begun.opened;
  const other = inFlight.run(undefined, async ({ signal }) => {
    signal.addEventListener("abort", () => (aborted = true));
    await sleep(20);
    throw new Error("cut off");
  });
  void other.then(settled, settled);
  lost.abort();
  await sleep(50);
  expect(aborted).toBe(true);
  expect(settled).not.toHaveBeenCalled();
});
