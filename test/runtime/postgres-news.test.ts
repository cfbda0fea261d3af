import { afterAll, beforeAll, expect, test } from "vitest";
import { createJournals } from "../../src/runtime/journal.ts";
import { createPostgresWorld, type PostgresWorld } from "../../src/runtime/postgres-world.ts";
import { createRunWatchers, type RunWatchers } from "../../src/runtime/run-watchers.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { later, testDatabases } from "../postgres/support.ts";
import { append, newRun, runningRun } from "../world/conformance/support.ts";

/** What a process knows of runs. */
interface Instance extends PostgresWorld {
  ends: RunWatchers;
  news: RunWatchers;
  /** Ends that it has counted as stored by itself. */
  counted: string[];
}

const databases = testDatabases();
let postgres: TestPostgres;
let one: Instance;
let two: Instance;

/** Two in one process, each with a pool and a listening connection of its own. */
function instance(): Instance {
  const ends = createRunWatchers();
  const news = createRunWatchers();
  const counted: string[] = [];
  const world = createPostgresWorld({
    engine: { step: async () => new Response(null, { status: 503 }) },
    watchers: {
      ends,
      news,
      observer: { started: () => undefined, ended: (runId) => void counted.push(runId) },
    },
  });
  return { ...world, ends, news, counted };
}

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  process.env.WORKFLOW_POSTGRES_URL = postgres.url;
  one = instance();
  two = instance();
  await Promise.all([one.start(), two.start()]);
  // Both listen when each has heard of the other.
  await Promise.all([heard(one, two), heard(two, one)]);
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await postgres?.stop();
});

/** Resolves when one has heard of what the other does. */
async function heard(who: Instance, of: Instance): Promise<void> {
  const runId = await runningRun(of.world);
  const told = later();
  const off = who.news.subscribe(runId, told.resolve);
  const timer = setInterval(() => void append(of.world, runId, "run_started"), 20);
  try {
    await told.promise;
  } finally {
    clearInterval(timer);
    off();
  }
}

/** Resolves with the milliseconds until a run's news come after something was done. */
async function after(
  watchers: RunWatchers,
  runId: string,
  act: () => Promise<unknown>,
): Promise<number> {
  const told = later();
  const off = watchers.subscribe(runId, told.resolve);
  await act();
  const acted = performance.now();
  await told.promise;
  off();
  return performance.now() - acted;
}

/** Far below the second after which a run is read again without news. */
const SOON = 300;

test("a run's start, its end and what is added to its journal are heard by another process at once", async () => {
  const runId = await newRun(one.world);
  const journals = createJournals(() => one.world);
  const checkpoint = { type: "checkpoint", id: "a", at: 1, kind: "step" } as const;
  expect(await after(two.news, runId, () => append(one.world, runId, "run_started"))).toBeLessThan(
    SOON,
  );
  expect(await after(two.news, runId, () => journals.append(runId, [checkpoint]))).toBeLessThan(
    SOON,
  );
  const ended = [two.ends, two.news].map((watchers) =>
    after(watchers, runId, () => Promise.resolve()),
  );
  await append(one.world, runId, "run_cancelled");
  for (const ms of await Promise.all(ended)) expect(ms).toBeLessThan(SOON);
  // Each process counts the ends that it stores itself.
  expect([one.counted.includes(runId), two.counted.includes(runId)]).toEqual([true, false]);
});

test("what nobody told of is noticed when the listening connection was away and is back, and no end that was none", async () => {
  const ended = await runningRun(one.world);
  const going = await runningRun(one.world);
  let wrong = 0;
  const offs = [two.ends.subscribe(going, () => wrong++)];
  const told = [ended, going].map((runId) => {
    const woken = later();
    offs.push(two.news.subscribe(runId, woken.resolve));
    return woken.promise;
  });
  const end = later();
  offs.push(two.ends.subscribe(ended, end.resolve));
  // As by a process that died before it could tell.
  const database = databases.open({ url: postgres.url });
  const set = "UPDATE workflow.workflow_runs SET status = 'cancelled' WHERE id = $1";
  await database.query(set, [ended]);
  await databases.close();
  await postgres.restart();
  await Promise.all([...told, end.promise]);
  expect(wrong).toBe(0);
  for (const off of offs) off();
});
