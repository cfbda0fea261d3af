import { createWorld } from "@workflow/world-postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../src/postgres/database.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { createStreams, type Streams } from "../../src/postgres/streams.ts";
import { aroundCreate } from "../../src/runtime/engine-world.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import type { Subject, World } from "../world/conformance/rule.ts";
import { streamRecordRules } from "../world/conformance/stream-records.ts";
import { follow, newStream, readAll } from "../world/conformance/stream-support.ts";
import { streamRules } from "../world/conformance/streams.ts";
import { append, until } from "../world/conformance/support.ts";
import { startLossyProxy } from "./proxy.ts";
import { testDatabases } from "./support.ts";

const databases = testDatabases();
let postgres: TestPostgres;
let database: Database;
/** The same streams on two pools, as two processes have them. */
let here: Streams;
let there: Streams;
/** The engine's own, as earlier versions wrote them. */
let engines: World;
/** A World whose streams are written by the one and read by the other. */
let world: World;

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  database = databases.open({ url: postgres.url });
  await migrate(database, { engine: true });
  here = createStreams({ database });
  there = createStreams({ database: databases.open({ url: postgres.url }) });
  engines = createWorld({ connectionString: postgres.url }) as World;
  const { writeToStream, writeToStreamMulti, closeStream } = here.streamer;
  world = aroundCreate(
    { ...engines, ...there.streamer, writeToStream, writeToStreamMulti, closeStream },
    async ({ eventType, runId }, create) => {
      const result = await create();
      if (/^run_(?:completed|failed|cancelled)$/.test(eventType)) here.closeAfterEnd(runId!);
      return result;
    },
  );
});
afterAll(async () => {
  here?.close();
  there?.close();
  await databases.close();
  await postgres?.stop();
});

describe.concurrent("written here and read there", () => {
  for (const { title, check } of [...streamRules, ...streamRecordRules]) {
    test(title, () => check({ world } as Subject));
  }
});

describe("beside the engine's own", () => {
  // It cannot bear to lose its connection, which tests below see to.
  afterAll(() => engines.close?.());

  test("a stream of an earlier version is read from any index, goes on, and is closed", async () => {
    const { name, runId } = await newStream(world);
    await engines.writeToStreamMulti!(name, runId, ["0", "1", "2"]);
    expect(await world.getStreamInfo(name, runId)).toEqual({ tailIndex: 2, done: false });
    const reader = follow(await world.readFromStream(name, 1));
    await until(() => reader.chunks.length === 2);
    await world.writeToStream(name, runId, "3");
    await world.writeToStreamMulti!(name, runId, ["4", "5"]);
    await until(() => reader.chunks.length === 5);
    expect(reader.chunks).toEqual(["1", "2", "3", "4", "5"]);
    const pages: unknown[] = [];
    for (const cursor of ["0", "2", "4"]) {
      const { data } = await world.getStreamChunks(name, runId, { cursor, limit: 2 });
      pages.push(...data.map((chunk) => [chunk.index, new TextDecoder().decode(chunk.data)]));
    }
    expect(pages).toEqual(["0", "1", "2", "3", "4", "5"].map((text, index) => [index, text]));
    expect(await world.listStreamsByRunId(runId)).toEqual([name]);
    await append(world, runId, "run_cancelled");
    await until(() => reader.ended());
    // Its tools find what we wrote.
    expect(await readAll(engines, name)).toEqual(["0", "1", "2", "3", "4", "5"]);
    expect(await engines.getStreamInfo(name, runId)).toEqual({ tailIndex: 5, done: true });
  });

  test("a stream that an earlier version closed stays closed, whatever it wrote behind the end", async () => {
    const { name, runId } = await newStream(world);
    await engines.writeToStream(name, runId, "0");
    await engines.closeStream(name, runId);
    await engines.writeToStream(name, runId, "behind");
    await engines.closeStream(name, runId);
    const read = async (): Promise<unknown> => [
      await readAll(world, name),
      await readAll(world, name, -1),
      await world.getStreamInfo(name, runId),
      (await world.getStreamChunks(name, runId)).data.length,
    ];
    const closed = [["0"], ["0"], { tailIndex: 0, done: true }, 1];
    expect(await read()).toEqual(closed);
    await world.writeToStream(name, runId, "later");
    await world.closeStream(name, runId);
    expect(await read()).toEqual(closed);
  });

  test("streams of a run that ended just before its process died are closed by another", async () => {
    const { name, runId } = await newStream(world);
    await here.streamer.writeToStream(name, runId, "0");
    const reader = follow(await there.streamer.readFromStream(name));
    await database.query("UPDATE workflow.workflow_runs SET status = 'cancelled' WHERE id = $1", [
      runId,
    ]);
    there.start();
    await until(() => reader.ended(), 5000);
    expect(reader.chunks).toEqual(["0"]);
  });
});

test("chunks written at once keep the order of the calls, and others' come between them", async () => {
  const [name, runId] = ["strm_order", "wrun_order"];
  const written = Array.from({ length: 300 }, (_, index) => index);
  await Promise.all(
    written.flatMap((index) => [
      here.streamer.writeToStream(name, runId, `here ${index}`),
      there.streamer.writeToStream(name, runId, `there ${index}`),
    ]),
  );
  await here.streamer.closeStream(name, runId);
  const read = await readAll(world, name);
  for (const who of ["here", "there"]) {
    const own = read.filter((chunk) => chunk.startsWith(who));
    expect(own).toEqual(written.map((index) => `${who} ${index}`));
  }
  expect(read).toHaveLength(600);
});

test("any number of chunks, of any size, may be written in one call, and others while it is", async () => {
  const [name, runId] = ["strm_many", "wrun_many"];
  const many = Array.from({ length: 70_000 }, (_, index) => String(index));
  const big = Array.from({ length: 5 }, (_, index) => new Uint8Array(2_000_000).fill(index));
  await Promise.all([
    here.streamer.writeToStreamMulti(name, runId, many),
    here.streamer.writeToStreamMulti(name, runId, big),
    here.streamer.writeToStream(name, runId, "last"),
    here.streamer.closeStream(name, runId),
  ]);
  const info = await there.streamer.getStreamInfo(name, runId);
  expect(info).toEqual({ tailIndex: 70_005, done: true });
  const { data } = await there.streamer.getStreamChunks(name, runId, { cursor: "69999" });
  expect(new TextDecoder().decode(data[0]!.data)).toBe("69999");
  expect(data.slice(1, 6).map((chunk) => chunk.data.at(-1))).toEqual([0, 1, 2, 3, 4]);
  expect(new TextDecoder().decode(data[6]!.data)).toBe("last");
});

test("a stream's name may be long and have any characters, and its news too", async () => {
  for (const name of [`strm_${"ü".repeat(2000)}`, 'strm_"\\\u0001', `strm_${"'".repeat(490)}`]) {
    const reader = follow(await there.streamer.readFromStream(name));
    await here.streamer.writeToStream(name, "wrun_names", name);
    await here.streamer.closeStream(name, "wrun_names");
    await until(() => reader.ended(), 5000);
    expect(reader.chunks).toEqual([name]);
  }
});

test("a write whose answer was lost is stored once", async () => {
  const proxy = await startLossyProxy(postgres.url);
  const remote = databases.open({ url: proxy.url });
  const lossy = createStreams({ database: remote });
  const [name, runId] = ["strm_lossy", "wrun_lossy"];
  for (const chunk of ["0", "1", "2", "3"]) {
    if (chunk !== "0") proxy.loseAnswerTo("INSERT INTO orchestrator.streams");
    await lossy.streamer.writeToStream(name, runId, chunk);
    await here.streamer.writeToStream(name, runId, `between ${chunk}`);
  }
  proxy.loseAnswerTo("INSERT INTO orchestrator.streams");
  await lossy.streamer.closeStream(name, runId);
  expect(proxy.lost()).toBe(4);
  const read = await readAll(world, name);
  expect(read).toEqual(["0", "1", "2", "3"].flatMap((n) => [n, `between ${n}`]));
  lossy.close();
  await remote.close();
  await proxy.close();
});

test("others are told whose stream has grown; who wrote is not", async () => {
  const told: Record<string, string[]> = { writer: [], other: [] };
  const make = (who: string): Streams =>
    createStreams({
      database: databases.open({ url: postgres.url }),
      onGrowth: (name, runId) => told[who]!.push(`${name} of ${runId}`),
    });
  const [writer, other] = [make("writer"), make("other")];
  // Until both listen, which the other's answers show.
  while (told.writer!.length === 0) await other.streamer.writeToStream("strm_b", "wrun_b", "x");
  while (told.other!.length === 0) await writer.streamer.writeToStream("strm_a", "wrun_a", "x");
  expect(new Set(told.writer)).toEqual(new Set(["strm_b of wrun_b"]));
  expect(new Set(told.other)).toEqual(new Set(["strm_a of wrun_a"]));
  writer.close();
  other.close();
});

test("writers and readers go on over restarts of Postgres, without loss or repeat", async () => {
  const [name, runId] = ["strm_restarts", "wrun_restarts"];
  const reader = follow(await there.streamer.readFromStream(name));
  const late = follow(await here.streamer.readFromStream(name, 50));
  const stop = new AbortController();
  let written = 0;
  const writing = (async () => {
    while (!stop.signal.aborted) await here.streamer.writeToStream(name, runId, String(written++));
  })();
  for (let restarts = 0; restarts < 2; restarts++) {
    const before = reader.chunks.length;
    await until(() => reader.chunks.length > before + 100);
    await postgres.restart();
  }
  const before = reader.chunks.length;
  await until(() => reader.chunks.length > before + 100);
  stop.abort();
  await writing;
  await here.streamer.closeStream(name, runId);
  await until(() => reader.ended() && late.ended());
  const all = Array.from({ length: written }, (_, index) => String(index));
  expect(reader.chunks).toEqual(all);
  expect(late.chunks).toEqual(all.slice(50));
});

test("what is written while nobody listens is read as soon as somebody does", async () => {
  const [name, runId] = ["strm_gap", "wrun_gap"];
  const reader = follow(await there.streamer.readFromStream(name));
  await here.streamer.writeToStream(name, runId, "0");
  await until(() => reader.chunks.length === 1);
  await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND query LIKE 'LISTEN%'`);
  await here.streamer.writeToStream(name, runId, "1");
  // Long before it would look by itself.
  await until(() => reader.chunks.length === 2, 5000);
  expect(reader.chunks).toEqual(["0", "1"]);
});

test("closed streams end their readers with an error, as more may come", async () => {
  const own = createStreams({ database });
  await own.streamer.writeToStream("strm_cut", "wrun_cut", "0");
  const reader = (await own.streamer.readFromStream("strm_cut")).getReader();
  expect((await reader.read()).done).toBe(false);
  const waiting = reader.read();
  own.close();
  await expect(waiting).rejects.toThrow("the streams of this process are closed");
});
