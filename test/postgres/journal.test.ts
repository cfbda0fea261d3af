import { afterAll, beforeAll, expect, test } from "vitest";
import { createEventFold } from "../../src/core/run-events.ts";
import type { Database } from "../../src/postgres/database.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { createStreams, type Streams } from "../../src/postgres/streams.ts";
import type { World } from "../../src/runtime/engine-world.ts";
import { createJournals, type JournalCursor } from "../../src/runtime/journal.ts";
import type { JournalEntry } from "../../src/types/journal.ts";
import { startNode } from "../_support/process.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { bundledChild } from "../world/bundled-child.ts";
import { testDatabases } from "./support.ts";

const { dir, child } = bundledChild(new URL("journal-child.ts", import.meta.url));
const databases = testDatabases();
let postgres: TestPostgres;
let database: Database;
let streams: Streams;
/** Wakes whoever waits for the journal to grow. */
let grown: () => void = () => undefined;

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  database = databases.open({ url: postgres.url });
  await migrate(database, { engine: true });
  streams = createStreams({ database, onGrowth: () => grown() });
});
afterAll(async () => {
  streams?.close();
  await databases.close();
  await postgres?.stop();
});

const RUN = "wrun_01JOURNAL";
const EACH = 300;

test("while two processes add to a journal, a reader goes on behind what it read, and one that resumes misses and repeats nothing", async () => {
  const children = ["a", "b"].map((who) =>
    startNode([child, postgres.url, RUN, who, String(EACH)], dir),
  );
  await Promise.all(children.map((running) => running.printed(/ready/)));
  let done = 0;
  const ends = Promise.all(
    children.map(async (running) => {
      await running.printed(/done/);
      done++;
      grown();
    }),
  );
  await database.notify("go", "");

  const journals = createJournals(() => streams.streamer as World);
  const read: JournalEntry[] = [];
  let cursor: JournalCursor | undefined;
  let anew = 0;
  const told: string[] = [];
  let after = "";
  for (;;) {
    const growth = new Promise<void>((resolve) => (grown = resolve));
    const last = done === children.length;
    const page = await journals.read(RUN, cursor);
    if (page.anew) anew++;
    read.push(...page.entries);
    ({ cursor } = page);
    // A client of the event stream that comes back says which `ts` it saw last.
    const fold = createEventFold(RUN);
    for (const entry of (await journals.read(RUN)).entries) {
      const event = fold.next(entry);
      if (event?.event !== "checkpoint" || event.data.ts <= after) continue;
      told.push(event.data.id);
      after = event.data.ts;
    }
    if (last) break;
    await Promise.race([growth, ends]);
  }
  const all = ["a", "b"].flatMap((who) => Array.from({ length: EACH }, (_, n) => `${who}-${n}`));
  expect(anew).toBe(0);
  expect(read).toEqual((await journals.read(RUN)).entries);
  expect([...told].sort()).toEqual([...all].sort());
});
