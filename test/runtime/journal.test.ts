import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { World } from "../../src/runtime/engine-world.ts";
import { createJournals, type JournalCursor, type Journals } from "../../src/runtime/journal.ts";
import type { JournalEntry } from "../../src/types/journal.ts";
import type { EmbeddedWorld } from "../../src/world/types.ts";
import { createRun, folder, openWorld, sleep } from "../world/support.ts";

// The same cases in every run.
fc.configureGlobal({ seed: 1 });

function entry(n: number): JournalEntry {
  return { type: "job.started", jobId: `job_${n}`, at: n };
}

function numbers(entries: readonly JournalEntry[]): number[] {
  return entries.map(({ at }) => at);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

async function open(): Promise<{ world: EmbeddedWorld; journals: Journals; runId: string }> {
  const world = await openWorld();
  const runId = await createRun(world);
  return { world, journals: createJournals(() => world as unknown as World), runId };
}

test("a journal without entries is empty", async () => {
  const { journals, runId } = await open();
  expect((await journals.read(runId)).entries).toEqual([]);
});

test("entries are read in the order of the calls, though nobody waited for the one before", async () => {
  const { journals, runId } = await open();
  await Promise.all(upTo(500).map((n) => journals.append(runId, [entry(n)])));
  expect(numbers((await journals.read(runId)).entries)).toEqual(upTo(500));
});

test("what is appended is stored when the promise resolves, also for another process", async () => {
  const dataDir = await folder();
  const world = await openWorld({ dataDir });
  const runId = await createRun(world);
  const journals = createJournals(() => world as unknown as World);
  for (const n of upTo(20)) {
    const unawaited = journals.append(runId, [entry(n * 3)]);
    await journals.append(runId, [entry(n * 3 + 1), entry(n * 3 + 2)]);
    const reader = await openWorld({ dataDir, readOnly: true });
    const read = await createJournals(() => reader as unknown as World).read(runId);
    expect(numbers(read.entries)).toEqual(upTo(n * 3 + 3));
    await Promise.all([unawaited, reader.close()]);
  }
});

test("writes of one moment share chunks", async () => {
  const { world, journals, runId } = await open();
  await Promise.all(upTo(1000).map((n) => journals.append(runId, [entry(n)])));
  const [name] = await world.listStreamsByRunId(runId);
  expect((await world.getStreamInfo(name!, runId)).tailIndex).toBeLessThan(5);
});

test("entries are read once each and in order also while they are written, across pages", async () => {
  const { journals, runId } = await open();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ size: fc.integer({ min: 1, max: 3 }), read: fc.boolean() }), {
        minLength: 250,
        maxLength: 350,
      }),
      async (steps) => {
        const own = `${runId}_${Math.random().toString(36).slice(2)}`;
        let written = 0;
        const seen: number[] = [];
        let cursor: JournalCursor | undefined;
        const look = async (): Promise<void> => {
          const page = await journals.read(own, cursor);
          ({ cursor } = page);
          seen.push(...numbers(page.entries));
          expect(seen).toEqual(upTo(seen.length));
        };
        for (const { size, read } of steps) {
          const batch = Array.from({ length: size }, () => entry(written++));
          const stored = journals.append(own, batch);
          if (read) await look();
          else await stored;
        }
        await journals.append(own, [entry(written++)]);
        await look();
        expect(seen).toEqual(upTo(written));
        // A chunk of its own for each of these, so that there are several pages.
        expect(cursor?.page).toBeDefined();
        await look();
        expect(seen).toHaveLength(written);
      },
    ),
    { numRuns: 5 },
  );
});

test("a cursor outlives the journals that gave it, and can be used twice", async () => {
  const { world, journals, runId } = await open();
  for (const n of upTo(130)) await journals.append(runId, [entry(n)]);
  const { cursor } = await journals.read(runId);
  await journals.append(runId, [entry(130), entry(131)]);
  const others = createJournals(() => world as unknown as World);
  expect(numbers((await others.read(runId, cursor)).entries)).toEqual([130, 131]);
  expect(numbers((await journals.read(runId, cursor)).entries)).toEqual([130, 131]);
});

test("what could not be written is told to its writers, and the next write is tried all the same", async () => {
  const { world, runId } = await open();
  let broken = true;
  const journals = createJournals(
    () =>
      ({
        ...world,
        async writeToStream(...args: Parameters<EmbeddedWorld["writeToStream"]>) {
          await sleep(5);
          if (broken) throw new Error("disk full");
          return world.writeToStream(...args);
        },
      }) as unknown as World,
  );
  const first = journals.append(runId, [entry(0)]);
  const second = journals.append(runId, [entry(1)]);
  await expect(first).rejects.toThrow("disk full");
  broken = false;
  await second;
  await journals.append(runId, [entry(2)]);
  expect(numbers((await journals.read(runId)).entries)).toEqual([1, 2]);
});

test("an entry may hold line breaks and any text", async () => {
  const { journals, runId } = await open();
  const failed: JournalEntry = {
    type: "job.failed",
    jobId: "job_1",
    at: 1,
    error: 'line\nbreak\r\n\u2028 "é" 🦊',
  };
  await journals.append(runId, [failed]);
  expect((await journals.read(runId)).entries).toEqual([failed]);
});
