import { expect, test } from "vitest";
import { append, createRun, folder, openWorld } from "./support.ts";

async function readAll(stream: ReadableStream<Uint8Array>): Promise<string[]> {
  const read: string[] = [];
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return read;
    read.push(new TextDecoder().decode(value));
  }
}

test("a reader follows from any index to the end of the run, which closes the stream", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  await world.writeToStreamMulti!("s", runId, ["0", "1"]);
  const readers = [0, 1, -1, 5].map(async (index) =>
    readAll(await world.readFromStream("s", index)),
  );
  await world.writeToStream("s", runId, "2");
  await append(world, runId, "run_cancelled");
  // The engine flushes in the background, so a chunk may come after the end.
  await world.writeToStream("s", runId, "3");
  expect(await Promise.all(readers)).toEqual([
    ["0", "1", "2", "3"],
    ["1", "2", "3"],
    ["1", "2", "3"],
    [],
  ]);
  expect(await world.getStreamInfo("s", runId)).toEqual({ tailIndex: 3, done: true });
  await world.writeToStream("s", runId, "too late");
  expect((await world.getStreamInfo("s", runId)).tailIndex).toBe(3);
});

test("streams of a run that ended just before a crash are closed by the next process", async () => {
  const dataDir = await folder();
  const first = await openWorld({ dataDir });
  const runId = await createRun(first);
  await first.writeToStream("s", runId, "0");
  await append(first, runId, "run_cancelled");
  await first.close();
  const world = await openWorld({ dataDir });
  expect((await world.getStreamInfo("s", runId)).done).toBe(false);
  await world.start();
  expect(await readAll(await world.readFromStream("s"))).toEqual(["0"]);
});

test("chunks written at once keep the order of the calls, and pages have them all", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  const written = Array.from({ length: 250 }, (_, index) => String(index));
  await Promise.all(written.map((chunk) => world.writeToStream("s", runId, chunk)));
  const read: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await world.getStreamChunks("s", runId, cursor ? { cursor } : {});
    read.push(...page.data.map(({ data }) => new TextDecoder().decode(data)));
    cursor = page.cursor ?? undefined;
  } while (cursor);
  expect(read).toEqual(written);
});

test("closing the World ends its readers", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  await world.writeToStream("s", runId, "0");
  const reader = (await world.readFromStream("s")).getReader();
  expect((await reader.read()).done).toBe(false);
  const waiting = reader.read();
  await world.close();
  expect((await waiting).done).toBe(true);
});
