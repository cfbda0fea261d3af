import { expect, test } from "vitest";
import type { Journals } from "../../src/runtime/journal.ts";
import { createRun, openWorld, sleep, until } from "../world/support.ts";
import { foldOf, gate, journalsOn, passed, planned, shardOf, shardsOf } from "./support.ts";

const answering = async (_job: unknown, { jobId }: { jobId: string }) => passed(jobId);

/** Journals whose writes of a job's end fail while `broken` holds. */
function breakable(journals: Journals, state: { broken: boolean }): Journals {
  return {
    ...journals,
    append: async (runId, entries) => {
      const progress = entries.every(({ type }) => type === "job.started");
      if (state.broken && !progress) throw new Error("the disk is full");
      return journals.append(runId, entries);
    },
  };
}

test("a late answer of an overtaken shard does not change a job's end, nor what its shard answers", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const jobs = planned("a", "b");
  const late = gate();
  let begun = 0;
  // Two processes have the same shard, each with journals of its own on one World.
  const overtaken = shardsOf(journalsOn(world), async (_job, { jobId }) => {
    begun++;
    await late.opened;
    if (jobId === "b") throw new Error("the late one failed");
    return passed(jobId, "late");
  });
  const overtaking = shardsOf(journalsOn(world), answering);
  const first = overtaken.execute(runId, shardOf(jobs));
  await until(() => begun === 2);
  const second = await overtaking.execute(runId, shardOf(jobs));
  expect(second.counts).toMatchObject({ total: 2, completed: 2, passed: 2 });
  const before = await foldOf(journalsOn(world), runId, jobs);
  late.open();
  const reply = await first;
  const { entries } = await journalsOn(world).read(runId);
  const ends = entries.filter(({ type }) => type === "job.completed" || type === "job.failed");
  expect(ends.map(({ jobId }) => jobId).toSorted()).toEqual(["a", "a", "b", "b"]);
  const after = await foldOf(journalsOn(world), runId, jobs);
  expect(after.jobs).toEqual(before.jobs);
  expect(after.jobs.map(({ server }) => server)).toEqual(["s1", "s1"]);
  // The engine takes whichever answer comes first, so both have to say what the journal says.
  expect(reply).toEqual(second);
});

test("a shard that is executed again skips what the journal has, and answers it", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const jobs = planned("a", "b", "c");
  const first = await shardsOf(journalsOn(world), answering).execute(runId, shardOf(jobs));
  const executed: string[] = [];
  const again = await shardsOf(journalsOn(world), async (_job, { jobId }) => {
    executed.push(jobId);
    return passed(jobId);
  }).execute(runId, shardOf(jobs));
  expect(executed).toEqual([]);
  expect(again).toEqual(first);
});

test("the same shard twice in one process is executed once, within its window", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const jobs = planned(..."abcdef");
  let inFlight = 0;
  let peak = 0;
  const executed: string[] = [];
  const shards = shardsOf(journalsOn(world), async (_job, { jobId }) => {
    executed.push(jobId);
    peak = Math.max(peak, ++inFlight);
    await sleep(5);
    inFlight--;
    return passed(jobId);
  });
  const request = shardOf(jobs, { window: 2 });
  const [one, other] = await Promise.all([
    shards.execute(runId, request),
    shards.execute(runId, request),
  ]);
  expect(other).toEqual(one);
  expect(executed.toSorted()).toEqual([..."abcdef"]);
  expect(peak).toBe(2);
});

test("a journal that cannot be written makes the shard reject, after which nothing of it goes on", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const jobs = planned(...Array.from({ length: 20 }, (_, index) => `j${index}`));
  const state = { broken: true };
  const last = gate();
  let inFlight = 0;
  let peak = 0;
  const executed: string[] = [];
  const shards = shardsOf(breakable(journalsOn(world), state), async (_job, { jobId }) => {
    if (jobId === "held") {
      await last.opened;
      return passed(jobId);
    }
    executed.push(jobId);
    peak = Math.max(peak, ++inFlight);
    await sleep(5);
    inFlight--;
    return passed(jobId);
  });
  // Another shard of the same fan-out goes on all the while, so that they share a window.
  const companion = shards.execute(runId, shardOf(planned("held"), { window: 1 }));
  const request = shardOf(jobs, { window: 2 });
  await expect(shards.execute(runId, request)).rejects.toThrow("the disk is full");
  const sent = executed.length;
  expect(inFlight).toBe(0);
  expect(sent).toBe(2);
  await sleep(50);
  expect(executed).toHaveLength(sent);
  state.broken = false;
  const reply = await shards.execute(runId, request);
  expect(reply.counts).toMatchObject({ total: 20, completed: 20 });
  expect(peak).toBe(2);
  last.open();
  expect((await companion).counts.completed).toBe(1);
  expect((await foldOf(journalsOn(world), runId, jobs)).counts.completed).toBe(20);
});

test("a deadline further away than a timer can wait does not pass at once", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const deadline = Date.now() + 3 * 2 ** 31;
  const shards = shardsOf(journalsOn(world), async (_job, { jobId, signal }) => {
    await sleep(100);
    signal?.throwIfAborted();
    return passed(jobId);
  });
  const reply = await shards.execute(runId, shardOf(planned("a"), { deadline }));
  expect(reply.counts).toMatchObject({ completed: 1, timedOut: 0 });
});

test("an answer that comes after its run was cancelled is no end of its job", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const jobs = planned("a");
  let cancel = (): void => undefined;
  const answer = gate();
  const shards = shardsOf(
    journalsOn(world),
    // One that does not heed the signal in time.
    async (_job, { jobId }) => {
      await answer.opened;
      return passed(jobId);
    },
    (_runId, callback) => {
      cancel = callback;
      return () => undefined;
    },
  );
  const executing = shards.execute(runId, shardOf(jobs));
  await until(
    async () => (await foldOf(journalsOn(world), runId, jobs)).jobs[0]!.state !== "queued",
  );
  cancel();
  answer.open();
  expect((await executing).counts).toMatchObject({ completed: 0, cancelled: 1 });
  expect((await foldOf(journalsOn(world), runId, jobs)).jobs[0]!.state).toBe("running");
});
