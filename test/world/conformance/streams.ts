import { expect } from "vitest";
import { rule, type Rule, type World } from "./rule.ts";
import { follow, newStream, readAll } from "./stream-support.ts";
import { bytes, end, ends, sleep, until } from "./support.ts";

/** Streams: written in order, read live or later, from any index, until they are closed. */
export const streamRules: Rule[] = [
  rule("a closed stream is read whole, in order", async ({ world }) => {
    const { name, runId } = await newStream(world);
    await world.writeToStream(name, runId, bytes("one"));
    await world.writeToStream(name, runId, "zwei 🦊");
    await world.writeToStream(name, runId, bytes("three"));
    await world.closeStream(name, runId);
    expect(await readAll(world, name)).toEqual(["one", "zwei 🦊", "three"]);
  }),
  rule("several chunks are written at once, in order", async ({ world }) => {
    const { name, runId } = await newStream(world);
    const chunks = Array.from({ length: 20 }, (_, i) => `chunk ${i}`);
    await world.writeToStreamMulti!(name, runId, chunks);
    await world.writeToStreamMulti!(name, runId, []);
    await world.closeStream(name, runId);
    expect(await readAll(world, name)).toEqual(chunks);
  }),
  rule("a reader gets each chunk while the stream is written", async ({ world }) => {
    const { name, runId } = await newStream(world);
    await world.writeToStream(name, runId, "before");
    const reader = follow(await world.readFromStream(name));
    await until(() => reader.chunks.length === 1);
    for (const chunk of ["a", "b"]) {
      await world.writeToStream(name, runId, chunk);
      await until(() => reader.chunks.at(-1) === chunk, 5000);
    }
    expect(reader.ended()).toBe(false);
    await world.closeStream(name, runId);
    await until(() => reader.ended(), 5000);
    expect(reader.chunks).toEqual(["before", "a", "b"]);
  }),
  rule("a reader may come before the first chunk", async ({ world }) => {
    const { name, runId } = await newStream(world);
    const reader = follow(await world.readFromStream(name));
    await sleep(50);
    await world.writeToStream(name, runId, "first");
    await world.closeStream(name, runId);
    await until(() => reader.ended(), 5000);
    expect(reader.chunks).toEqual(["first"]);
  }),
  rule("several readers get everything, each at its own pace", async ({ world }) => {
    const { name, runId } = await newStream(world);
    const early = [
      follow(await world.readFromStream(name)),
      follow(await world.readFromStream(name)),
    ];
    await world.writeToStreamMulti!(name, runId, ["0", "1", "2"]);
    const late = follow(await world.readFromStream(name, 1));
    await world.writeToStreamMulti!(name, runId, ["3", "4"]);
    await world.closeStream(name, runId);
    await until(() => [...early, late].every((reader) => reader.ended()), 5000);
    for (const reader of early) {
      expect(reader.chunks).toEqual(["0", "1", "2", "3", "4"]);
    }
    expect(late.chunks).toEqual(["1", "2", "3", "4"]);
  }),
  rule("a reader that leaves disturbs nobody", async ({ world }) => {
    const { name, runId } = await newStream(world);
    await world.writeToStream(name, runId, "0");
    const stays = follow(await world.readFromStream(name));
    const leaves = (await world.readFromStream(name)).getReader();
    await leaves.read();
    await leaves.cancel();
    await world.writeToStream(name, runId, "1");
    await world.closeStream(name, runId);
    await until(() => stays.ended(), 5000);
    expect(stays.chunks).toEqual(["0", "1"]);
  }),
  rule("a reader resumes at any index, also counted from the end", async ({ world }) => {
    const { name, runId } = await newStream(world);
    const chunks = ["0", "1", "2", "3", "4"];
    await world.writeToStreamMulti!(name, runId, chunks);
    for (const closed of [false, true]) {
      if (closed) {
        await world.closeStream(name, runId);
      }
      for (const [start, rest] of [
        [0, chunks],
        [2, ["2", "3", "4"]],
        [4, ["4"]],
        [-2, ["3", "4"]],
        [-99, chunks],
      ] as const) {
        const stream = await world.readFromStream(name, start);
        const reader = follow(stream);
        await until(() => reader.chunks.length === rest.length, 5000);
        expect(reader.chunks, `from ${start}`).toEqual(rest);
        await reader.cancel();
      }
    }
    expect(await readAll(world, name, 5)).toEqual([]);
  }),
  rule("a reader that starts at the end gets only what comes", async ({ world }) => {
    const { name, runId } = await newStream(world);
    await world.writeToStreamMulti!(name, runId, ["0", "1"]);
    const reader = follow(await world.readFromStream(name, 2));
    await sleep(50);
    await world.writeToStream(name, runId, "2");
    await world.closeStream(name, runId);
    await until(() => reader.ended(), 5000);
    expect(reader.chunks).toEqual(["2"]);
  }),
  rule(
    "a start behind the end of a closed stream reads nothing and ends",
    async ({ world }) => {
      const reader = await readBehindEnd(world);
      await until(() => reader.ended(), 5000);
      expect(reader.chunks).toEqual([]);
    },
    {
      "start-behind-end-hangs": async ({ world }) => {
        const reader = await readBehindEnd(world);
        await sleep(500);
        expect([reader.ended(), reader.chunks]).toEqual([false, []]);
        await reader.cancel();
      },
    },
  ),
  rule("what is written behind the end is not read", async ({ world }) => {
    const { name, runId } = await newStream(world);
    await world.writeToStream(name, runId, "in time");
    await world.closeStream(name, runId);
    // Refused or dropped, either will do: a retried write must only not show.
    await Promise.allSettled([world.writeToStream(name, runId, "late")]);
    await Promise.allSettled([world.closeStream(name, runId)]);
    expect(await readAll(world, name)).toEqual(["in time"]);
    expect(await world.getStreamInfo(name, runId)).toEqual({ tailIndex: 0, done: true });
    expect((await world.getStreamChunks(name, runId)).data).toHaveLength(1);
  }),
  rule("bytes and a chunk of 1 MB come back as they were", async ({ world }) => {
    const { name, runId } = await newStream(world);
    const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i);
    const big = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => i * 7);
    await world.writeToStreamMulti!(name, runId, [everyByte, big]);
    await world.closeStream(name, runId);
    const { data } = await world.getStreamChunks(name, runId);
    const read: Uint8Array[] = [];
    for await (const chunk of await world.readFromStream(name)) {
      read.push(chunk);
    }
    for (const [one, two] of [read, data.map((chunk) => chunk.data)] as const) {
      expect([Buffer.compare(one!, everyByte), Buffer.compare(two!, big)]).toEqual([0, 0]);
    }
  }),
  rule(
    "the end of a run ends its streams",
    async ({ world }) => {
      for (const how of Object.keys(ends)) {
        const { name, runId } = await newStream(world);
        await world.writeToStream(name, runId, "0");
        const reader = follow(await world.readFromStream(name));
        await end(world, runId, how);
        await until(() => reader.ended(), 5000);
        expect(reader.chunks).toEqual(["0"]);
        expect(await world.getStreamInfo(name, runId)).toEqual({ tailIndex: 0, done: true });
      }
    },
    {
      "streams-stay-open": async ({ world }) => {
        const { name, runId } = await newStream(world);
        await world.writeToStream(name, runId, "0");
        const reader = follow(await world.readFromStream(name));
        await end(world, runId, "run_completed");
        await sleep(500);
        expect(reader.ended()).toBe(false);
        expect(await world.getStreamInfo(name, runId)).toEqual({ tailIndex: 0, done: false });
        await reader.cancel();
      },
    },
  ),
];

async function readBehindEnd(world: World) {
  const { name, runId } = await newStream(world);
  await world.writeToStreamMulti!(name, runId, ["0", "1"]);
  await world.closeStream(name, runId);
  return follow(await world.readFromStream(name, 9));
}
