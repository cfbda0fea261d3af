import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../../src/postgres/database.ts";
import { patiently } from "../../src/postgres/pool.ts";
import { isOfDatabase } from "../../src/postgres/transactions.ts";
import { freePort, startNode } from "../_support/process.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { bundledChild } from "../world/bundled-child.ts";
import { startLossyProxy } from "./proxy.ts";
import { later, testDatabases } from "./support.ts";

const { dir, child } = bundledChild(new URL("waiting-child.ts", import.meta.url));
let postgres: TestPostgres;
const databases = testDatabases();

beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterEach(() => databases.close());
afterAll(() => postgres?.stop());

test("what is no URL of Postgres is refused by the name it was given under", () => {
  expect(() => openDatabase({ url: "mysql://x", name: "WORKFLOW_POSTGRES_URL" })).toThrow(
    "WORKFLOW_POSTGRES_URL must be a URL such as postgres://user:password@localhost:5432/app",
  );
});

test("statements and transactions begun while Postgres is away are done when it is back, the pool's too", async () => {
  const database = databases.open({ url: postgres.url });
  await database.query("CREATE TABLE kept (id int PRIMARY KEY)");
  // All of them, so that there are idle connections which do not know yet.
  await Promise.all(Array.from({ length: 8 }, () => database.query("SELECT pg_sleep(0.05)")));
  const begun: Promise<unknown>[] = [];
  await postgres.restart(async () => {
    for (let id = 0; id < 10; id++) {
      begun.push(database.query("INSERT INTO kept VALUES ($1)", [id]));
    }
    begun.push(database.pool.query("INSERT INTO kept VALUES (10)"));
    begun.push(
      database.transaction(async (query) => {
        await query("INSERT INTO kept VALUES (11)");
        await query("INSERT INTO kept VALUES (12)");
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
  await Promise.all(begun);
  const rows = await database.query<{ id: number }>("SELECT id FROM kept ORDER BY id");
  expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 13 }, (_, id) => id));
});

test("a statement and a transaction that a stop of Postgres cut off are done again, once", async () => {
  const database = databases.open({ url: postgres.url });
  await database.query("CREATE TABLE cut (id int)");
  const began = later();
  let attempts = 0;
  const statement = database.query("INSERT INTO cut SELECT 1 FROM pg_sleep(0.5)");
  const whole = database.transaction(async (query) => {
    attempts++;
    await query("INSERT INTO cut VALUES (2)");
    began.resolve();
    await query("SELECT pg_sleep(0.5)");
  });
  await began.promise;
  await postgres.restart();
  await Promise.all([statement, whole]);
  expect(attempts).toBe(2);
  expect(await database.query("SELECT id FROM cut ORDER BY id")).toEqual([{ id: 1 }, { id: 2 }]);
});

test("a transaction whose connection breaks is done again, unless its commit was sent; a statement if it may be", async () => {
  const proxy = await startLossyProxy(postgres.url);
  const database = databases.open({ url: proxy.url });
  await database.query("CREATE TABLE broken (id int)");
  const insert = (id: number): Promise<unknown> =>
    database.transaction((query) => query("INSERT INTO broken VALUES ($1)", [id]));
  proxy.loseAnswerTo("INSERT INTO broken");
  await insert(1);
  proxy.loseAnswerTo("COMMIT");
  await expect(insert(2)).rejects.toThrow("Connection terminated unexpectedly");
  proxy.loseAnswerTo("INSERT INTO broken");
  const once = database.query("INSERT INTO broken VALUES (3)");
  await expect(once).rejects.toThrow("Connection terminated unexpectedly");
  proxy.loseAnswerTo("SELECT id");
  const rows = await database.query<{ id: number }>("SELECT id FROM broken ORDER BY id", [], {
    repeatable: true,
  });
  expect(rows.map(({ id }) => id)).toEqual([1, 2, 3]);
  expect(proxy.lost()).toBe(4);
  await databases.close();
  await proxy.close();
});

test("a transaction in another's way is done again, and one that fails leaves nothing", async () => {
  const database = databases.open({ url: postgres.url });
  await database.query("CREATE TABLE pair (id int PRIMARY KEY, n int)");
  await database.query("INSERT INTO pair VALUES (1, 0), (2, 0)");
  const both = [later(), later()];
  const add = (own: number, first: number, second: number): Promise<void> =>
    database.transaction(async (query) => {
      await query("UPDATE pair SET n = n + 1 WHERE id = $1", [first]);
      both[own]!.resolve();
      await Promise.all(both.map(({ promise }) => promise));
      await query("UPDATE pair SET n = n + 1 WHERE id = $1", [second]);
    });
  await Promise.all([add(0, 1, 2), add(1, 2, 1)]);
  const failed = database.transaction(async (query) => {
    await query("UPDATE pair SET n = 100");
    throw new Error("no");
  });
  await expect(failed).rejects.toThrow("no");
  expect(await database.query("SELECT n FROM pair")).toEqual([{ n: 2 }, { n: 2 }]);
});

test("patience ends, and what only the configuration can mend is told at once", async () => {
  const port = await freePort();
  const nobody = databases.open({ url: `postgres://a:b@127.0.0.1:${port}/c`, patience: 200 });
  await expect(nobody.query("SELECT 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  const missing = databases.open({ url: postgres.url.replace(/postgres$/, "missing") });
  const started = Date.now();
  await expect(missing.query("SELECT 1")).rejects.toMatchObject({ code: "3D000" });
  expect(Date.now() - started).toBeLessThan(5000);
});

test("patience within patience is over once, also where the error is wrapped", async () => {
  const limit = 300;
  const port = await freePort();
  const nobody = databases.open({ url: `postgres://a:b@127.0.0.1:${port}/c`, patience: limit });
  let attempts = 0;
  const waited = patiently(
    () => {
      attempts++;
      return nobody.query("SELECT 1").catch((cause: Error) => {
        throw new Error("wrapped", { cause });
      });
    },
    isOfDatabase,
    // Longer than that of the statement itself.
    { limit: 3000, signal: new AbortController().signal },
  );
  await expect(waited).rejects.toThrow("wrapped");
  expect(attempts).toBe(1);
});

test("what waits for Postgres at the end is not tried once more", async () => {
  const closing = new AbortController();
  let attempts = 0;
  const attempt = async (): Promise<void> => {
    attempts++;
    throw new Error("away");
  };
  const waited = patiently(attempt, () => true, { limit: 60_000, signal: closing.signal });
  await new Promise((resolve) => setImmediate(resolve));
  closing.abort();
  await expect(waited).rejects.toThrow("away");
  expect(attempts).toBe(1);
});

test("a connection that breaks before it is set up is made again", async () => {
  const proxy = await startLossyProxy(postgres.url);
  const database = databases.open({ url: proxy.url });
  proxy.loseAnswerTo("SET TIME ZONE");
  expect(await database.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  expect(proxy.lost()).toBe(1);
  await databases.close();
  await proxy.close();
});

test("a process that waits for Postgres does not end meanwhile", async () => {
  const port = await freePort();
  const running = startNode([child, `postgres://a:b@127.0.0.1:${port}/c`], dir);
  await running.printed(/ECONNREFUSED/);
});

test("where no pg is installed, it says to install what brings it along", async () => {
  const bare = await mkdtemp(join(tmpdir(), "without-pg-"));
  try {
    await copyFile(child, join(bare, "child.mjs"));
    const running = startNode([join(bare, "child.mjs"), postgres.url], bare);
    await running.printed(
      /The World on Postgres needs the package @workflow\/world-postgres\. Install it with `npm install @workflow\/world-postgres`\./,
    );
  } finally {
    await rm(bare, { recursive: true, force: true });
  }
});

test("a connection that a proxy drops before it is made is made again", async () => {
  let dropped = 0;
  const upstream = new URL(postgres.url);
  const proxy = createServer((socket) => {
    socket.on("error", () => undefined);
    if (dropped < 2) {
      dropped++;
      socket.destroy();
      return;
    }
    const inner = connect(Number(upstream.port), "127.0.0.1");
    inner.on("error", () => socket.destroy());
    socket.pipe(inner).pipe(socket);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => proxy.once("listening", resolve));
  const { port } = proxy.address() as AddressInfo;
  const database = databases.open({ url: postgres.url.replace(upstream.port, String(port)) });
  expect(await database.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  expect(dropped).toBe(2);
  await databases.close();
  proxy.close();
});

test("payloads arrive at other pools; a restart is a gap, said once, and they arrive again", async () => {
  const lines: string[] = [];
  const here = databases.open({ url: postgres.url });
  const listening = databases.open({ url: postgres.url, note: (line) => lines.push(line) });
  const got: string[] = [];
  let onGap = later();
  let onPayload = later();
  const off = listening.listen(
    "news 'quoted\"",
    (payload) => {
      got.push(payload);
      onPayload.resolve();
    },
    () => onGap.resolve(),
  );
  await onGap.promise;
  await here.notify("news 'quoted\"", "one");
  await onPayload.promise;
  onGap = later();
  onPayload = later();
  await postgres.restart();
  await onGap.promise;
  await here.notify("news 'quoted\"", "two");
  await onPayload.promise;
  expect(got).toEqual(["one", "two"]);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^\[orchestrator\] Postgres at 127\.0\.0\.1:\d+ is away \(.+\)$/);
  expect(lines[1]).toMatch(/is back$/);
  off();
  const other = later<string>();
  const offOther = listening.listen("other", other.resolve, () => {
    void here.notify("news 'quoted\"", "three").then(() => here.notify("other", "end"));
  });
  await other.promise;
  offOther();
  expect(got).toEqual(["one", "two"]);
});

test("sessions are of UTC, whatever the server's zone is", async () => {
  const url = await postgres.createDatabase("zoned");
  const database = databases.open({ url });
  await database.query("ALTER DATABASE zoned SET timezone TO 'Asia/Tokyo'");
  const later = databases.open({ url });
  expect(await later.query("SHOW timezone")).toEqual([{ TimeZone: "UTC" }]);
});

test("a closed database rejects, and closes once", async () => {
  const database = openDatabase({ url: postgres.url });
  database.listen(
    "x",
    () => undefined,
    () => undefined,
  );
  await database.query("SELECT 1");
  await Promise.all([database.close(), database.close()]);
  await expect(database.query("SELECT 1")).rejects.toThrow();
});
