import { expect, test } from "vitest";
import { createRun, openWorld, sleep, until } from "../world/support.ts";
import { gate, journalsOn, passed, planned, shardOf, shardsOf } from "./support.ts";

test("shards of one fan-out share their windows: the place of one that has ended goes to the others", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  let now = 0;
  let most = 0;
  const shards = shardsOf(journalsOn(world), async (_job, { jobId }) => {
    most = Math.max(most, ++now);
    await sleep(10);
    now--;
    return passed(jobId);
  });
  const long = planned(...Array.from({ length: 20 }, (_, index) => `j${index}`));
  await Promise.all([
    shards.execute(runId, shardOf(planned("short"), { window: 2 })),
    shards.execute(runId, shardOf(long, { window: 1 })),
  ]);
  expect(most).toBe(3);
});

test("in a process of its own a shard has the places of all, also of those that ended before a restart", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  let now = 0;
  let most = 0;
  const executing = async (_job: unknown, { jobId }: { jobId: string }) => {
    most = Math.max(most, ++now);
    await sleep(10);
    now--;
    return passed(jobId);
  };
  const shards = shardsOf(journalsOn(world), executing, undefined, true);
  const jobs = planned(...Array.from({ length: 20 }, (_, index) => `j${index}`));
  const last = [jobs.slice(0, 10), jobs.slice(10)].map((part) =>
    shardOf(part, { window: 1, concurrency: 5 }),
  );
  await Promise.all(last.map((shard) => shards.execute(runId, shard)));
  expect(most).toBe(5);
});

test("a deadline that has passed ends all jobs unexecuted", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  let executed = 0;
  const shards = shardsOf(journalsOn(world), async (_job, { jobId }) => {
    executed++;
    return passed(jobId);
  });
  const past = shardOf(planned("a", "b"), { deadline: Date.now() - 1 });
  const { counts } = await shards.execute(runId, past);
  expect(counts).toMatchObject({ total: 2, failed: 2, timedOut: 2 });
  expect(executed).toBe(0);
});

test("a job that is no valid job fails alone", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const shards = shardsOf(journalsOn(world), async (_job, { jobId }) => passed(jobId));
  const jobs = [...planned("good"), { id: "bare" }, { id: "odd", runners: [null] }] as never[];
  const { outcomes } = await shards.execute(runId, shardOf(jobs));
  expect(outcomes!.map(({ ok }) => ok)).toEqual([true, false, false]);
});

test("a shard that another process has goes on no more here, and leaves its places with it", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const last = gate();
  const executed: string[] = [];
  const aborted: unknown[] = [];
  const shards = shardsOf(journalsOn(world), async (_job, { jobId, signal }) => {
    executed.push(jobId);
    if (!jobId.startsWith("lost")) {
      await last.opened;
      return passed(jobId);
    }
    return new Promise((_, reject) => {
      signal!.addEventListener("abort", () => {
        aborted.push(jobId);
        reject(new Error("aborted"));
      });
    });
  });
  const lost = new AbortController();
  const names = Array.from({ length: 10 }, (_, index) => `lost-${index}`);
  let settled = false;
  const request = shardOf(planned(...names), { window: 2 });
  const settle = (): void => void (settled = true);
  void shards.execute(runId, request, lost.signal).then(settle, settle);
  const rest = planned("a", "b", "c");
  const companion = shards.execute(runId, shardOf(rest, { window: 1 }));
  await until(() => executed.length === 3);
  lost.abort();
  await sleep(20);
  expect(aborted.toSorted()).toEqual(executed.filter((id) => id.startsWith("lost")).toSorted());
  // One place is left to the shard that stays, which is its own.
  expect(executed.filter((id) => !id.startsWith("lost"))).toEqual(["a"]);
  const before = executed.length;
  last.open();
  expect((await companion).counts).toMatchObject({ total: 3, completed: 3 });
  expect(settled).toBe(false);
  const { entries } = await journalsOn(world).read(runId);
  expect(entries.filter(({ jobId }) => jobId?.startsWith("lost")).every(isStart)).toBe(true);
  // When it comes back, it is executed anew.
  void shards.execute(runId, request);
  await until(() => executed.length === before + 2 + 2);
});

function isStart({ type }: { type: string }): boolean {
  return type === "job.started";
}
