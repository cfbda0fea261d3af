/** Stores chunks of a stream, and its end. */
export type WriteStream = (
  name: string,
  runId: string,
  chunks: readonly Uint8Array[],
  close: boolean,
) => Promise<void>;

/** A write that waits for its turn. */
interface Waiting {
  runId: string;
  chunks: readonly Uint8Array[];
  close: boolean;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** Chunks and bytes that are stored in one go; a single chunk may be bigger. */
const MAX_CHUNKS = 500;
const MAX_BYTES = 4_194_304;

/**
 * Writes to a stream in the order of the calls, one after another; what waits for the one before is stored
 * together.
 */
export function createStreamWriter(store: WriteStream): WriteStream {
  const waiting = new Map<string, Waiting[]>();

  async function drain(name: string, writes: Waiting[]): Promise<void> {
    while (writes.length > 0) {
      const batch = writes.splice(0, countTogether(writes));
      try {
        const parts = partsOf(batch.flatMap((write) => write.chunks));
        const { runId } = batch[0]!;
        for (const part of parts.slice(0, -1)) await store(name, runId, part, false);
        await store(name, runId, parts.at(-1)!, batch.at(-1)!.close);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    waiting.delete(name);
  }

  return (name, runId, chunks, close) =>
    new Promise((resolve, reject) => {
      const write: Waiting = { runId, chunks, close, resolve, reject };
      const writes = waiting.get(name);
      if (writes) {
        writes.push(write);
        return;
      }
      const first = [write];
      waiting.set(name, first);
      void drain(name, first);
    });
}

/** Chunks in as many parts as it takes, at least one. */
function partsOf(chunks: readonly Uint8Array[]): Uint8Array[][] {
  const parts: Uint8Array[][] = [[]];
  let bytes = 0;
  for (const chunk of chunks) {
    const part = parts.at(-1)!;
    bytes += chunk.byteLength;
    if (part.length > 0 && (part.length === MAX_CHUNKS || bytes > MAX_BYTES)) {
      parts.push([chunk]);
      bytes = chunk.byteLength;
    } else part.push(chunk);
  }
  return parts;
}

/** How many of the writes are stored in one go: the first, and those for which there is room; an end is the last. */
function countTogether(writes: readonly Waiting[]): number {
  let chunks = 0;
  let bytes = 0;
  for (const [index, write] of writes.entries()) {
    chunks += write.chunks.length;
    for (const chunk of write.chunks) bytes += chunk.byteLength;
    if (index > 0 && (chunks > MAX_CHUNKS || bytes > MAX_BYTES)) return index;
    if (write.close) return index + 1;
  }
  return writes.length;
}
