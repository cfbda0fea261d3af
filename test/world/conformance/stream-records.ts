import { expect } from "vitest";
import { rule, type Rule, type World } from "./rule.ts";
import { newStream, readAll } from "./stream-support.ts";
import { race } from "./support.ts";

/** What is known of a stream without reading it live: its chunks by page, its end, its name. */
export const streamRecordRules: Rule[] = [
  rule("chunks come page by page, with their indices", async ({ world }) => {
    const { name, runId } = await newStream(world);
    const written = Array.from({ length: 7 }, (_, i) => String(i));
    await world.writeToStreamMulti!(name, runId, written);
    for (const limit of [1, 3, 7, 50]) {
      const { chunks, last } = await readPages(world, name, runId, limit);
      expect(chunks).toEqual(written.map((data, index) => ({ index, data })));
      expect(last).toMatchObject({ hasMore: false, cursor: null, done: false });
    }
    await world.closeStream(name, runId);
    for (const limit of [1, 3, 7, 50]) {
      const { chunks, last } = await readPages(world, name, runId, limit);
      expect(chunks).toHaveLength(7);
      expect(last).toMatchObject({ hasMore: false, done: true });
    }
  }),
  rule(
    "each page of a closed stream says that it is closed",
    async ({ world }) => {
      expect(await firstPageOfClosed(world)).toMatchObject({ hasMore: true, done: true });
    },
    {
      "done-on-last-page": async ({ world }) => {
        expect(await firstPageOfClosed(world)).toMatchObject({ hasMore: true, done: false });
      },
    },
  ),
  rule("a stream's info is its last index and whether it is closed", async ({ world }) => {
    const { name, runId } = await newStream(world);
    expect(await world.getStreamInfo(name, runId)).toEqual({ tailIndex: -1, done: false });
    await world.writeToStreamMulti!(name, runId, ["0", "1", "2"]);
    expect(await world.getStreamInfo(name, runId)).toEqual({ tailIndex: 2, done: false });
    await world.closeStream(name, runId);
    expect(await world.getStreamInfo(name, runId)).toEqual({ tailIndex: 2, done: true });
  }),
  rule("a stream may be closed empty, and is unknown as empty", async ({ world }) => {
    const { name, runId } = await newStream(world);
    const nothing = { data: [], cursor: null, hasMore: false };
    expect(await world.getStreamChunks(name, runId)).toEqual({ ...nothing, done: false });
    await world.closeStream(name, runId);
    expect(await world.getStreamChunks(name, runId)).toEqual({ ...nothing, done: true });
    expect(await world.getStreamInfo(name, runId)).toEqual({ tailIndex: -1, done: true });
    expect(await readAll(world, name)).toEqual([]);
  }),
  rule("a run's streams are listed, and only they", async ({ world }) => {
    const { name, runId } = await newStream(world);
    expect(await world.listStreamsByRunId(runId)).toEqual([]);
    await world.writeToStream(name, runId, "x");
    await world.closeStream(`${name}_closed`, runId);
    await world.writeToStream(`${name}_other`, (await newStream(world)).runId, "x");
    expect((await world.listStreamsByRunId(runId)).sort()).toEqual([name, `${name}_closed`]);
  }),
  rule(
    "streams that begin at once are all listed",
    async ({ world }) => {
      expect(await beginAtOnce(world)).toBe(20);
    },
    {
      "racing-stream-names": async ({ world }) => {
        expect(await beginAtOnce(world)).toBeLessThan(20);
      },
    },
  ),
  rule(
    "a stream whose name another's begins with stays apart from it",
    async ({ world }) => {
      expect(await readBesideLongerName(world)).toEqual(["short"]);
    },
    {
      "stream-names-mixed": async ({ world }) => {
        expect(await readBesideLongerName(world)).toEqual(["short", "longer"]);
      },
    },
  ),
];

async function readPages(world: World, name: string, runId: string, limit: number) {
  const chunks: { index: number; data: string }[] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = await world.getStreamChunks(name, runId, { limit, cursor });
    expect(page.data.length).toBeLessThanOrEqual(limit);
    for (const { index, data } of page.data) {
      chunks.push({ index, data: new TextDecoder().decode(data) });
    }
    if (!page.hasMore) {
      return { chunks, last: page };
    }
    cursor = page.cursor!;
  }
}

async function firstPageOfClosed(world: World) {
  const { name, runId } = await newStream(world);
  await world.writeToStreamMulti!(name, runId, ["0", "1", "2"]);
  await world.closeStream(name, runId);
  return world.getStreamChunks(name, runId, { limit: 1 });
}

async function beginAtOnce(world: World): Promise<number> {
  const { name, runId } = await newStream(world);
  await race(20, (i) => world.writeToStream(`${name}_${i}`, runId, "x"));
  return (await world.listStreamsByRunId(runId)).length;
}

async function readBesideLongerName(world: World): Promise<string[]> {
  const { name, runId } = await newStream(world);
  await world.writeToStream(name, runId, "short");
  await world.writeToStream(`${name}-x`, runId, "longer");
  const { chunks } = await readPages(world, name, runId, 10);
  return chunks.map((chunk) => chunk.data);
}
