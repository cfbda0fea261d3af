import { createEventStream, type EventStream, type H3Event } from "h3";
import { onAbort } from "../core/abort.ts";
import type { FollowedEvent, RunEvent, WorkflowRuns } from "../types/service.ts";
import { type RequestScope, scopeOf } from "./request-scope.ts";
import { badField } from "./start-request.ts";
import { toServiceStatus } from "./service-run.ts";

/** What a run's events are streamed from. */
export interface EventStreamOptions {
  runs: Pick<WorkflowRuns, "follow">;
  /** Ends every stream, when the process is to end. */
  closing: AbortSignal;
  /** Counts the streams that are open. */
  open?: { inc(): void; dec(): void };
  /** Milliseconds between two comments, between two `ping` events, and until a client that reads nothing is dropped. */
  times?: { heartbeat: number; ping: number; stuck: number };
}

/** A comment keeps proxies from closing, a named event the watchdogs of clients, who do not see comments. */
const defaultTimes = { heartbeat: 10_000, ping: 30_000, stuck: 60_000 };

/** What every answer with a stream says of itself. */
export const eventStreamHeaders: Record<string, string> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
};

/** Checkpoints, and log lines, that a new follower gets of those before. */
const REPLAY = { default: 10, most: 100 };

/**
 * A run's events as an event stream, from behind the checkpoint that `Last-Event-ID` names, until the run has
 * ended; undefined for an unknown run. The stream takes from the journal what its client reads, and no more.
 *
 * @throws HttpProblem 400 for a `replay` that is none
 */
export async function streamEvents(
  event: H3Event,
  id: string,
  { runs, closing, open, times = defaultTimes }: EventStreamOptions,
): Promise<EventStream | undefined> {
  const { searchParams } = event.url;
  const replay = replayOf(searchParams.get("replay"));
  const after = lastEventId(event.req.headers.get("last-event-id"));
  const gone = new AbortController();
  const events = await runs.follow(id, {
    replay,
    ...(after !== undefined && { after }),
    signal: gone.signal,
  });
  if (!events) return undefined;
  const stream = createEventStream(event);
  for (const [name, value] of Object.entries(eventStreamHeaders)) stream.headers.set(name, value);
  const drop = makeDroppable(stream);
  const end = (): void => {
    gone.abort();
    // A client that does not take what was sent keeps a stream from closing in order.
    setTimeout(drop, CLOSE_MS).unref();
  };
  const off = onAbort(closing, end);
  open?.inc();
  stream.onClosed(() => {
    off();
    open?.dec();
    gone.abort();
  });
  void send(stream, id, events, keepCalm(stream, times, drop), scopeOf(event.req));
  return stream;
}

/** Milliseconds that an ended stream's client has to take what is left. */
const CLOSE_MS = 1000;

/** Sends events one after another, each when its client has taken the one before. */
async function send(
  stream: EventStream,
  id: string,
  events: AsyncIterable<FollowedEvent>,
  calm: Calm,
  scope: RequestScope | undefined,
): Promise<void> {
  try {
    await calm.sending(stream.push(frame({ event: "hello", data: { runId: id } })));
    for await (const event of events) await calm.sending(stream.push(frameOf(event)));
  } catch (error) {
    scope?.log.error({ run_id: id, err: error }, "event stream failed");
  } finally {
    calm.stop();
    await stream.close();
  }
}

/** Puts a stream's body into one that can be cut off while its client takes nothing; answers with what does so. */
function makeDroppable(stream: EventStream): () => void {
  const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
  let cut: () => void = () => undefined;
  stream.body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        cut = () => controller.error(new Error("the client does not read"));
      },
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return () => {
    try {
      cut();
    } catch {
      // It has ended in order.
    }
    reader.cancel().catch(() => undefined);
  };
}

/** What keeps an event stream alive between events, and does not keep it for a client that reads nothing. */
interface Calm {
  /** Notes that something is on its way to the client. */
  sending(sent: Promise<unknown>): Promise<unknown>;
  stop(): void;
}

/** Heartbeats between events, and an end of streams whose client takes nothing. */
function keepCalm(stream: EventStream, times: typeof defaultTimes, drop: () => void): Calm {
  let pending = 0;
  let since = performance.now();

  function sending(sent: Promise<unknown>): Promise<unknown> {
    if (pending++ === 0) since = performance.now();
    return sent.finally(() => pending--);
  }

  // What is not taken would only be joined by what nobody needs.
  const beat = (push: () => Promise<unknown>) => (): void => {
    if (pending === 0) void sending(push());
    else if (performance.now() - since > times.stuck) drop();
  };
  const comment = beat(() => stream.pushComment(""));
  const ping = beat(() =>
    stream.push(frame({ event: "ping", data: { at: new Date().toISOString() } })),
  );
  const timers = [setInterval(comment, times.heartbeat), setInterval(ping, times.ping)];
  for (const timer of timers) timer.unref();
  return {
    sending,
    stop: () => timers.forEach((timer) => clearInterval(timer)),
  };
}

function frameOf(event: FollowedEvent): { id?: string; event: string; data: string } {
  if (event.event === "checkpoint") return frame({ ...event, id: event.data.ts });
  if (event.event !== "status") return frame(event);
  const { runId, state } = event.data;
  return frame({ event: "status", data: { runId, status: toServiceStatus(state) } });
}

function frame(event: RunEvent): { id?: string; event: string; data: string } {
  return { ...event, data: JSON.stringify(event.data) };
}

/**
 * How many checkpoints of those before a follower gets, as `?replay=` says.
 *
 * @throws HttpProblem 400
 */
export function replayOf(text: string | null): number {
  if (text === null) return REPLAY.default;
  if (/^\d{1,3}$/.test(text) && Number(text) <= REPLAY.most) return Number(text);
  throw badField("replay", `must be a whole number from 0 to ${REPLAY.most} (got "${text}")`);
}

/** A checkpoint's time as we write it; what is none is left out, since an EventSource cannot mend it. */
function lastEventId(text: string | null): string | undefined {
  const isTime = text !== null && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text);
  return isTime ? text : undefined;
}
