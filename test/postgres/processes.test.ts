import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Database } from "../../src/postgres/database.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { createPresence, PRESENCE } from "../../src/postgres/presence.ts";
import { createProcesses, type Processes } from "../../src/postgres/processes.ts";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { startLossyProxy } from "./proxy.ts";
import { testDatabases } from "./support.ts";

let postgres: TestPostgres;
const databases = testDatabases();

beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterEach(() => databases.close());
afterAll(() => postgres?.stop());

/** A process that gives signs of life until it is cut off, and counts the losses that it is told of. */
async function join(
  url: string,
  dead = 400,
): Promise<{
  losses: () => number;
  die: () => void;
  processes: Processes;
}> {
  let losses = 0;
  let cut = false;
  const database = databases.open({ url });
  const query: Database["query"] = (...args) =>
    cut ? Promise.reject(new Error("cut off")) : database.query(...args);
  const processes = createProcesses(
    { query, listen: database.listen },
    { onLoss: () => losses++, beat: 20, dead },
  );
  onTestFinished(() => processes.stop().catch(() => undefined));
  await processes.start();
  return { losses: () => losses, die: () => void (cut = true), processes };
}

async function known(url: string): Promise<number> {
  return (await databases.open({ url }).query("SELECT FROM orchestrator.processes")).length;
}

async function empty(name: string): Promise<string> {
  const url = await postgres.createDatabase(name);
  await migrate(databases.open({ url }));
  // It has started long ago for these processes.
  await until(async () => {
    const [row] = await databases
      .open({ url })
      .query<{ up: boolean }>("SELECT now() > pg_postmaster_start_time() + interval '1 s' AS up");
    return row!.up;
  });
  return url;
}

test("of a process that dies one of the others is told, once", async () => {
  const url = await empty("dies");
  const all = await Promise.all([join(url), join(url), join(url)]);
  expect(await known(url)).toBe(3);
  const [victim, ...others] = all;
  victim!.die();
  await until(() => others.some(({ losses }) => losses() > 0));
  expect(await known(url)).toBe(2);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(others.reduce((sum, { losses }) => sum + losses(), 0)).toBe(1);
});

test("of one that leaves nobody is told", async () => {
  const url = await empty("leaves");
  const [one, other] = [await join(url), await join(url)];
  await one.processes.stop();
  expect(await known(url)).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(other.losses()).toBe(0);
});

test("a restart of Postgres is nobody's death, and told to all", async () => {
  const url = await empty("restart");
  // Longer than it may take until a process tries again to reach it.
  const dead = 1500;
  const all = [await join(url, dead), await join(url, dead)];
  await postgres.restart(() => new Promise((resolve) => setTimeout(resolve, dead + 100)));
  await until(() => all.every(({ losses }) => losses() > 0));
  // Nobody is missed after the time either in which a death would show.
  await new Promise((resolve) => setTimeout(resolve, dead + 200));
  expect(await known(url)).toBe(2);
  expect(all.map(({ losses }) => losses())).toEqual([1, 1]);
});

test("a presence whose connection breaks as it begins gives that back, and comes again", async () => {
  const proxy = await startLossyProxy(postgres.url);
  const database = databases.open({ url: proxy.url, max: 1 });
  const presence = createPresence(database);
  proxy.loseAnswerTo("pg_advisory_lock");
  presence.start();
  const outside = databases.open({ url: postgres.url });
  const present = async (): Promise<boolean> => {
    const found = "SELECT FROM pg_locks WHERE classid = $1 AND objid = $2 AND granted";
    return (await outside.query(found, [PRESENCE, presence.id])).length === 1;
  };
  await until(() => proxy.lost() === 1);
  await until(present, 5000, "that it is present");
  presence.stop();
  await until(async () => !(await present()), 5000, "that it is gone");
  await databases.close();
  await proxy.close();
});
