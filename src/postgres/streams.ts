import { createHash } from "node:crypto";
import type { createWorld } from "workflow/runtime";
import type { Database } from "./database.ts";
import { createStreamStore, streamChannel } from "./stream-store.ts";
import { createStreamTails } from "./stream-tails.ts";
import { createStreamWriter } from "./stream-writer.ts";

type World = ReturnType<typeof createWorld>;

/** What a World has of streams. */
export type Streamer = Required<
  Pick<
    World,
    | "writeToStream"
    | "writeToStreamMulti"
    | "closeStream"
    | "readFromStream"
    | "listStreamsByRunId"
    | "getStreamChunks"
    | "getStreamInfo"
  >
>;

/** The streams of a World, which any process on the same Postgres writes and reads. */
export interface Streams {
  streamer: Streamer;
  /** Closes the streams of a run that has ended, after what its steps are still flushing. */
  closeAfterEnd(runId: string): void;
  /** Closes, now and from time to time, what a dead process left open of runs that have ended. */
  start(): void;
  /** Ends all readers with an error, as more may come of what they read. */
  close(): void;
}

/** What streams are told, and whom they tell. */
export interface StreamsOptions {
  database: Database;
  /** Told of each stream that another process has added to, with the run it belongs to. */
  onGrowth?: (name: string, runId: string) => void;
}

/**
 * How long a run's streams stay open after its end. A step's chunks are flushed by the engine in the background,
 * up to some 10 ms after the step has completed, which may be the run's last.
 */
const CLOSE_AFTER_MS = 100;

/** Between two looks for streams that a dead process left open. */
const SWEEP_MS = 15_000;

/** After which a reader looks by itself, should the connection that listens be away while the others are not. */
const LOOK_MS = 10_000;

/** Chunks that a reader has in memory at most. */
const READ_AHEAD = 16;

const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;

/** Makes the streams on a database that has been migrated, the engine's tables included. */
export function createStreams({ database, onGrowth }: StreamsOptions): Streams {
  const store = createStreamStore(database, keyOf);
  const tails = createStreamTails();
  const write = createStreamWriter(async (name, ...rest) => {
    tails.tell(keyOf(name), await store.append(name, ...rest));
  });
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let sweeping: ReturnType<typeof setInterval> | undefined;
  let closed = false;

  const off = database.listen(
    streamChannel,
    (payload) => {
      const [key, length, done, runId, writer] = JSON.parse(payload) as Growth;
      if (writer === store.writer) return;
      tails.tell(key, { length, done });
      onGrowth?.(key, runId);
    },
    tails.tellAll,
  );

  function closeAfterEnd(runId: string): void {
    if (closed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      // Where it fails, this or another process does it when it sweeps.
      closeAll(runId).catch(() => undefined);
    }, CLOSE_AFTER_MS);
    timers.add(timer);
  }

  async function closeAll(runId: string): Promise<void> {
    const open = await store.names(runId, "open");
    await Promise.all(open.map((name) => write(name, runId, [], true)));
  }

  function sweep(): void {
    store.endedRuns().then(
      (runIds) => runIds.forEach(closeAfterEnd),
      () => undefined,
    );
  }

  const streamer: Streamer = {
    writeToStream: (name, runId, chunk) => write(name, runId, [toBytes(chunk)], false),
    async writeToStreamMulti(name, runId, chunks) {
      if (chunks.length > 0) await write(name, runId, chunks.map(toBytes), false);
    },
    closeStream: (name, runId) => write(name, runId, [], true),
    async readFromStream(name, startIndex = 0) {
      let index = startIndex;
      if (index < 0) index = Math.max(0, (await store.state(name)).length + index);
      const ahead: Uint8Array[] = [];
      const gaveUp = new AbortController();
      return new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            while (!gaveUp.signal.aborted) {
              const chunk = ahead.shift();
              if (chunk) index++;
              if (chunk?.byteLength) return controller.enqueue(chunk);
              if (chunk) continue;
              if (closed) throw new Error("Cannot read on: the streams of this process are closed");
              // Before the look, so that what comes after it is not missed.
              const tail = tails.follow(keyOf(name), index, gaveUp.signal);
              try {
                const page = await store.page(name, index, READ_AHEAD);
                ahead.push(...page.chunks);
                if (ahead.length > 0) continue;
                if (page.done) return gaveUp.signal.aborted ? undefined : controller.close();
                await tail.more(LOOK_MS);
              } finally {
                tail.stop();
              }
            }
          },
          cancel: () => gaveUp.abort("gone"),
        },
        { highWaterMark: 0 },
      );
    },
    listStreamsByRunId: (runId) => store.names(runId),
    async getStreamChunks(name, _runId, options = {}) {
      const limit = Math.min(Math.max(1, options.limit ?? DEFAULT_PAGE), MAX_PAGE);
      const first = Math.max(0, Number.parseInt(options.cursor ?? "0", 10) || 0);
      const { chunks, length, done } = await store.page(name, first, limit);
      const end = first + chunks.length;
      const hasMore = end < length;
      return {
        data: chunks.map((data, place) => ({ index: first + place, data })),
        cursor: hasMore ? String(end) : null,
        hasMore,
        done,
      };
    },
    async getStreamInfo(name) {
      const { length, done } = await store.state(name);
      return { tailIndex: length - 1, done };
    },
  };

  return {
    streamer,
    closeAfterEnd,
    start() {
      sweep();
      sweeping ??= setInterval(sweep, SWEEP_MS).unref();
    },
    close() {
      closed = true;
      off();
      clearInterval(sweeping);
      for (const timer of timers) clearTimeout(timer);
      tails.tellAll();
    },
  };
}

/** What is told of a stream: its key, length and end, its run, and who wrote. */
type Growth = [key: string, length: number, done: boolean, runId: string, writer: string];

/** A stream's name, or what stands for it where it has no room in a notification. */
function keyOf(name: string): string {
  return name.length <= 500 ? name : createHash("sha256").update(name).digest("hex");
}

function toBytes(chunk: string | Uint8Array): Uint8Array {
  // A copy, since it waits for its turn while its owner may write into it.
  return typeof chunk === "string" ? new TextEncoder().encode(chunk) : new Uint8Array(chunk);
}
