import { keys } from "./keys.ts";
import type { Store, Write } from "./store.ts";
import type { Run, World } from "./types.ts";

/** A stream's record. */
interface StreamRecord {
  name: string;
  runId: string;
  /** Number of chunks. */
  length: number;
  done: boolean;
}

/** The streams of a World. */
export interface Streams extends Pick<
  World,
  | "writeToStream"
  | "writeToStreamMulti"
  | "closeStream"
  | "readFromStream"
  | "listStreamsByRunId"
  | "getStreamChunks"
  | "getStreamInfo"
> {
  /** The change that has a run's open streams closed, to be made in the transaction of its end. */
  endWrites(run: Run): Write[];
  /** Closes the streams of a run that has ended, after what its steps are still flushing. */
  closeAfterEnd(runId: string): void;
  /** Closes what a dead process left open of runs that have ended. */
  recover(): void;
  stop(): void;
}

/**
 * How long a run's streams stay open after its end. A step's chunks are flushed by the engine in the background,
 * up to some 10 ms after the step has completed, which may be the run's last.
 */
const CLOSE_AFTER_MS = 100;

const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;

/** Makes the streams over a store. */
export function createStreams(store: Store): Streams {
  /** What is durable of the streams that are being written, and how many writes are under way. */
  const writing = new Map<string, { durable: StreamRecord; count: number }>();
  /** Readers that wait for more of a stream. */
  const followers = new Map<string, Set<() => void>>();
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let stopped = false;

  const stored = (name: string): StreamRecord | undefined =>
    store.get<StreamRecord>(keys.stream(name));
  const readable = (name: string): StreamRecord | undefined =>
    writing.get(name)?.durable ?? stored(name);

  /** Stores a stream's next state and chunks, and shows them to its readers when they are durable. */
  async function append(
    name: string,
    runId: string,
    chunks: readonly (string | Uint8Array)[],
    done: boolean,
  ): Promise<void> {
    const before = stored(name) ?? { name, runId, length: 0, done: false };
    // What comes after the end is nobody's any more.
    if (before.done) return;
    const state = writing.get(name) ?? { durable: before, count: 0 };
    writing.set(name, state);
    state.count++;
    const next: StreamRecord = { ...before, length: before.length + chunks.length, done };
    await store.write([
      ...chunks.map((chunk, index) => ({
        key: keys.chunk(name, before.length + index),
        value: toBytes(chunk),
      })),
      { key: keys.stream(name), value: next },
      { key: keys.streamOf(before.runId, name), value: name },
    ]);
    state.durable = next;
    if (--state.count === 0) writing.delete(name);
    for (const wake of followers.get(name) ?? []) wake();
  }

  /** Resolves when more of a stream is durable, or reading has been given up. */
  function more(name: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiting = followers.get(name) ?? new Set();
      followers.set(name, waiting);
      const wake = (): void => {
        waiting.delete(wake);
        if (waiting.size === 0) followers.delete(name);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  function closeAll(runId: string): void {
    if (stopped) return;
    const closing: Promise<void>[] = [];
    for (const { value: name } of store.range<string>({ prefix: keys.streamList(runId) })) {
      if (stored(name)?.done === false) closing.push(append(name, runId, [], true));
    }
    if (store.get(keys.closing(runId))) {
      closing.push(store.write([{ key: keys.closing(runId), value: undefined }]));
    }
    // A failure to write is told to those who write; the next start closes what is open.
    Promise.all(closing).catch(() => undefined);
  }

  return {
    async writeToStream(name, runId, chunk) {
      await append(name, runId, [chunk], false);
    },
    async writeToStreamMulti(name, runId, chunks) {
      if (chunks.length > 0) await append(name, runId, chunks, false);
    },
    async closeStream(name, runId) {
      await append(name, runId, [], true);
    },
    async readFromStream(name, startIndex = 0) {
      const gaveUp = new AbortController();
      let index = startIndex;
      if (index < 0) index = Math.max(0, (readable(name)?.length ?? 0) + index);
      return new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            while (!gaveUp.signal.aborted) {
              if (stopped) return controller.close();
              const { length = 0, done = false } = readable(name) ?? {};
              if (index < length) {
                const chunk = store.get<Uint8Array>(keys.chunk(name, index++));
                if (!chunk?.byteLength) continue;
                return controller.enqueue(new Uint8Array(chunk));
              }
              if (done) return controller.close();
              await more(name, gaveUp.signal);
            }
          },
          cancel: () => gaveUp.abort(),
        },
        { highWaterMark: 0 },
      );
    },
    async listStreamsByRunId(runId) {
      return [...store.range<string>({ prefix: keys.streamList(runId) })].map(({ value }) => value);
    },
    async getStreamChunks(name, _runId, options = {}) {
      const limit = Math.min(Math.max(1, options.limit ?? DEFAULT_PAGE), MAX_PAGE);
      const { length = 0, done = false } = readable(name) ?? {};
      const first = Math.max(0, Number.parseInt(options.cursor ?? "0", 10) || 0);
      const end = Math.min(length, first + limit);
      const data = [];
      for (let index = first; index < end; index++) {
        const chunk = store.get<Uint8Array>(keys.chunk(name, index));
        data.push({ index, data: new Uint8Array(chunk ?? []) });
      }
      const hasMore = end < length;
      return { data, cursor: hasMore ? String(end) : null, hasMore, done };
    },
    async getStreamInfo(name) {
      const { length = 0, done = false } = readable(name) ?? {};
      return { tailIndex: length - 1, done };
    },
    endWrites({ runId }) {
      for (const { value: name } of store.range<string>({ prefix: keys.streamList(runId) })) {
        if (stored(name)?.done === false) return [{ key: keys.closing(runId), value: true }];
      }
      return [];
    },
    closeAfterEnd(runId) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        closeAll(runId);
      }, CLOSE_AFTER_MS);
      timers.add(timer);
    },
    recover() {
      const ended = [...store.range({ prefix: keys.closings })];
      for (const { key } of ended) closeAll(key.slice(keys.closings.length));
    },
    stop() {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
      for (const waiting of followers.values()) for (const wake of waiting) wake();
    },
  };
}

/** The keys of a stream with all its chunks. */
export function streamKeys(name: string, store: Store): string[] {
  const { length = 0, runId } = store.get<StreamRecord>(keys.stream(name)) ?? {};
  const list = Array.from({ length }, (_, index) => keys.chunk(name, index));
  if (runId !== undefined) list.push(keys.streamOf(runId, name));
  return [...list, keys.stream(name)];
}

function toBytes(chunk: string | Uint8Array): Uint8Array {
  return typeof chunk === "string" ? new TextEncoder().encode(chunk) : new Uint8Array(chunk);
}
