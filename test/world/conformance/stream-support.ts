import type { World } from "./rule.ts";
import { newId, runningRun, until } from "./support.ts";

export async function newStream(world: World): Promise<{ name: string; runId: string }> {
  return { name: newId("strm"), runId: await runningRun(world) };
}

/** Reads in the background, for what must not be waited for. */
export function follow(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  const chunks: string[] = [];
  let ended = false;
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      chunks.push(new TextDecoder().decode(value));
    }
  })();
  // A reader that a test left behind fails when its World closes; that is none of the test's affair.
  reading.catch(() => undefined);
  return { chunks, ended: () => ended, cancel: () => reader.cancel() };
}

export async function readAll(world: World, name: string, start?: number): Promise<string[]> {
  const reader = follow(await world.readFromStream(name, start));
  await until(() => reader.ended(), 5000);
  return reader.chunks;
}
