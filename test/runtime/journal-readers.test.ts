import { expect, test } from "vitest";
import type { World } from "../../src/runtime/engine-world.ts";
import { createJournals } from "../../src/runtime/journal.ts";
import type { JobEntry, JournalEntry } from "../../src/types/journal.ts";
import { createRun, openWorld } from "../world/support.ts";

const started = (jobId: string): JobEntry => ({ type: "job.started", jobId, at: 1 });
const ids = (entries: JournalEntry[]): string[] =>
  entries.map((entry) => (entry as JobEntry).jobId);

test("each reading has what came since the one before, over several pages", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const journals = createJournals(() => world as unknown as World);
  const all = Array.from({ length: 250 }, (_, index) => `j${index}`);
  const seen: string[] = [];
  let page = await journals.read(runId);
  for (const id of all) {
    await journals.append(runId, [started(id)]);
    if (Number(id.slice(1)) % 7 !== 0) continue;
    page = await journals.read(runId, page.cursor);
    seen.push(...ids(page.entries));
  }
  seen.push(...ids((await journals.read(runId, page.cursor)).entries));
  expect(seen).toEqual(all);
});

test("entries of one write keep together and in order, whatever else is written at once", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const journals = createJournals(() => world as unknown as World);
  const pairs = Array.from({ length: 50 }, (_, index) => [`${index}a`, `${index}b`]);
  await Promise.all(pairs.map((pair) => journals.append(runId, pair.map(started))));
  expect(ids((await journals.read(runId)).entries)).toEqual(pairs.flat());
});

test("what another process stored before that which was read already is read too", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  // A World that several processes share orders chunks by ids that each makes by its own clock.
  let hidden: number | undefined;
  const shared: Pick<World, "getStreamChunks" | "writeToStream"> = {
    writeToStream: world.writeToStream as unknown as World["writeToStream"],
    async getStreamChunks(name, id, options) {
      const chunks = await world.getStreamChunks(name, id, options);
      return { ...chunks, data: chunks.data.filter(({ index }) => index !== hidden) } as never;
    },
  };
  const journals = createJournals(() => shared as World);
  for (const id of ["a", "late", "b", "c"]) await journals.append(runId, [started(id)]);
  hidden = 1;
  const first = await journals.read(runId);
  expect(ids(first.entries)).toEqual(["a", "b", "c"]);
  hidden = undefined;
  const second = await journals.read(runId, first.cursor);
  expect(second.anew).toBe(true);
  expect(ids(second.entries)).toEqual(["a", "late", "b", "c"]);
  expect(ids((await journals.read(runId, second.cursor)).entries)).toEqual([]);
});
