import { setWorld } from "workflow/runtime";
import { expect, test } from "vitest";
import { isJobEnd } from "../../src/core/job-ends.ts";
import type { World } from "../../src/runtime/engine-world.ts";
import { createRunViews } from "../../src/runtime/run-views.ts";
import type { Journals } from "../../src/runtime/journal.ts";
import type { EmbeddedWorld } from "../../src/world/index.ts";
import { openWorld } from "../world/support.ts";
import { journalsOn, passed, planned, serviceOn, storeOutput, submit } from "./support.ts";

async function setUp(): Promise<{ world: EmbeddedWorld; asWorld: () => World }> {
  const world = await openWorld();
  setWorld(world as unknown as World);
  return { world, asWorld: () => world as unknown as World };
}

function ended(jobId: string, at = 10) {
  return { type: "job.completed" as const, jobId, at, durationMs: 1, result: passed(jobId) };
}

/** Journals that note which runs are read from their start. */
function noting(journals: Journals, fromStart: string[]): Journals {
  return {
    ...journals,
    read(runId, cursor) {
      if (!cursor) fromStart.push(runId);
      return journals.read(runId, cursor);
    },
  };
}

test("100 looks at once while a journal grows: each sees all that was stored before it, and nothing twice", async () => {
  const { world, asWorld } = await setUp();
  const jobs = planned(...Array.from({ length: 300 }, (_, index) => `j${index}`));
  const runId = await submit(world, jobs);
  const journals = journalsOn(world);
  const fromStart: string[] = [];
  const views = createRunViews(asWorld, noting(journals, fromStart));
  let stored = 0;
  const writing = (async () => {
    for (const { id } of jobs) {
      await journals.append(runId, [{ type: "job.started", jobId: id, at: 1 }]);
      await journals.append(runId, [ended(id)]);
      stored++;
    }
  })();
  let last = 0;
  for (let round = 0; round < 5; round++) {
    const looks = Array.from({ length: 100 }, async () => {
      const before = stored;
      const { completed } = (await views.current(runId)).fold.counts;
      expect(completed).toBeGreaterThanOrEqual(before);
      expect(completed).toBeLessThanOrEqual(300);
      return completed;
    });
    const seen = await Promise.all(looks);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(last);
    last = Math.max(...seen);
  }
  await writing;
  const { fold } = await views.current(runId);
  expect(fold.counts).toMatchObject({ total: 300, completed: 300, passed: 300 });
  // A hundred who look at once share one view.
  expect(fromStart).toEqual([runId]);
});

test("views are bounded by their jobs: what was looked at longest ago is read anew", async () => {
  const { world, asWorld } = await setUp();
  const journals = journalsOn(world);
  const runs: string[] = [];
  for (let index = 0; index < 6; index++) {
    const runId = await submit(world, planned("a", "b", "c"));
    await journals.append(runId, [ended("a")]);
    runs.push(runId);
  }
  const fromStart: string[] = [];
  const views = createRunViews(asWorld, noting(journals, fromStart), 10);
  for (const runId of runs) await views.current(runId);
  expect(fromStart.splice(0)).toEqual(runs);
  for (const runId of runs.slice(3)) await views.current(runId);
  expect(fromStart.splice(0)).toEqual([]);
  expect((await views.current(runs[0]!)).fold.counts.completed).toBe(1);
  // The first has come back, in the place of the fourth.
  for (const runId of [runs[0]!, runs[4]!, runs[5]!]) await views.current(runId);
  expect(fromStart.splice(0)).toEqual([runs[0]]);
  await views.current(runs[3]!);
  expect(fromStart).toEqual([runs[3]]);
});

test("100 looks at once at more runs than there is room for all end, and the bound holds after them", async () => {
  const { world, asWorld } = await setUp();
  const journals = journalsOn(world);
  const runs = await Promise.all(
    Array.from({ length: 10 }, () => submit(world, planned("a", "b", "c"))),
  );
  for (const runId of runs) await journals.append(runId, [ended("b")]);
  const fromStart: string[] = [];
  const views = createRunViews(asWorld, noting(journals, fromStart), 4);
  const looks = Array.from({ length: 100 }, (_, index) => views.current(runs[index % 10]!));
  for (const { fold } of await Promise.all(looks)) expect(fold.counts.completed).toBe(1);
  fromStart.length = 0;
  // One view has room, so that of these only the one that is looked at again is there.
  for (const runId of [runs[0]!, runs[0]!, runs[1]!, runs[1]!, runs[0]!]) {
    await views.current(runId);
  }
  expect(fromStart.slice(-2)).toEqual([runs[1], runs[0]]);
});

test("a look that fails does not keep the next from trying", async () => {
  const { world, asWorld } = await setUp();
  const runId = await submit(world, planned("a"));
  const journals = journalsOn(world);
  await journals.append(runId, [ended("a")]);
  let broken = true;
  const views = createRunViews(asWorld, {
    ...journals,
    read: async (...args) => {
      if (broken) throw new Error("out of reach");
      return journals.read(...args);
    },
  });
  await expect(views.current(runId)).rejects.toThrow("out of reach");
  await expect(views.current("wrun_01ARZ3NDEKTSV4RRFFQ69G5FAV")).rejects.toThrow("not found");
  broken = false;
  expect((await views.current(runId)).fold.counts.completed).toBe(1);
});

test("jobs of an ended run that its journal has no end of have failed with it", async () => {
  const { world } = await setUp();
  const runId = await submit(world, planned("a", "b"));
  const { service } = serviceOn(world);
  const journals = journalsOn(world);
  await journals.append(runId, [ended("a"), { type: "job.started", jobId: "b", at: 5 }]);
  expect((await service.results(runId))!.jobs[1]!.state).toBe("running");
  await storeOutput(world, runId, "failed");
  const results = (await service.results(runId))!;
  expect(results.state).toBe("failed");
  expect(results.jobs.map(({ state }) => state)).toEqual(["completed", "failed"]);
  expect(await service.status(runId)).toMatchObject({ completedJobs: 1, failedJobs: 1 });
});

test("an end that came into the journal before what was read already is seen once the run has ended", async () => {
  const { world } = await setUp();
  const runId = await submit(world, planned("a", "b"));
  const journals = journalsOn(world);
  // Two processes write one journal: their chunks are not always stored in the order of their ids.
  let hidden = true;
  const { service } = serviceOn(world, {
    ...journals,
    async read(id, cursor) {
      const page = await journals.read(id, hidden ? cursor : undefined);
      const entries = page.entries.filter((entry) => entry.jobId !== "a" || !isJobEnd(entry));
      return hidden || cursor ? { ...page, entries } : page;
    },
  });
  await journals.append(runId, [ended("a"), ended("b")]);
  expect((await service.status(runId))!.completedJobs).toBe(1);
  hidden = false;
  await storeOutput(world, runId, "completed");
  const results = (await service.results(runId))!;
  expect(results.jobs.map(({ state }) => state)).toEqual(["completed", "completed"]);
});
