import { expect, test } from "vitest";
import { createRun, openWorld, sleep } from "../world/support.ts";
import { journalsOn, passed, planned, shardOf, shardsOf } from "./support.ts";

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
