import type { RunnerEvent } from "../types/index.ts";

/** The events of an execution as lines of JSON, as long as it is remembered. */
export interface EventLines {
  /** All so far, in the order in which they were told. */
  readonly lines: readonly string[];
  /** Characters of all of them. */
  readonly length: number;
  add(event: RunnerEvent): void;
  /** Calls back at each event, until the returned function is called. */
  onAdd(listener: () => void): () => void;
}

/** An execution, under way or ended: what it has told, and what it will answer. */
export interface Execution {
  events: EventLines;
  answer: Promise<string>;
}

/** Milliseconds of silence after which a line says that there is still nothing to say. */
const HEARTBEAT_MS = 15_000;

const heartbeat = '{"event":"ping"}\n';

/** Characters that are sent in one part, unless a single line has more. */
const PART = 64 * 1024;

/** No events yet. */
export function createEventLines(): EventLines {
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  let length = 0;
  return {
    lines,
    get length() {
      return length;
    },
    add(event) {
      const line = JSON.stringify(event);
      lines.push(line);
      length += line.length;
      for (const listener of listeners) listener();
    },
    onAdd(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Whether the request's sender takes an answer in lines of JSON. */
export function acceptsLines(headers: Headers): boolean {
  const accepted = (headers.get("accept") ?? "").toLowerCase().split(",");
  return accepted.some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim());
    const refused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    return type === "application/x-ndjson" && !refused;
  });
}

/** Waits for an execution's first event or its end; true when it has told something. */
export async function tellsSomething({ events, answer }: Execution): Promise<boolean> {
  if (events.lines.length > 0) return true;
  let off: (() => void) | undefined;
  const told = new Promise<void>((resolve) => {
    off = events.onAdd(resolve);
  });
  // What it failed with is told by whoever waits for the answer itself.
  await Promise.race([told, answer.catch(() => undefined)]);
  off?.();
  return events.lines.length > 0;
}

/**
 * The answer in lines: what was told already, then what is told while it lasts, and last the line of its
 * end, which must not fail. It holds no more than one part: who does not read keeps nothing in memory, and who
 * goes away ends nothing.
 */
export function streamLines(events: EventLines, end: Promise<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let sent = 0;
  let last: string | undefined;
  let gone = false;
  let wake = (): void => undefined;
  const off = events.onAdd(() => wake());
  void end.then((line) => {
    last = line;
    wake();
  });

  /** Resolves at the next event or the end, or after a while without. */
  async function news(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      wake = resolve;
      timer = setTimeout(resolve, HEARTBEAT_MS);
    });
    clearTimeout(timer);
  }

  function part(): string {
    let text = "";
    while (sent < events.lines.length && text.length < PART) text += `${events.lines[sent++]}\n`;
    return text;
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (sent === events.lines.length && last === undefined) await news();
        if (gone) return;
        if (sent === events.lines.length && last !== undefined) {
          controller.enqueue(encoder.encode(`${last}\n`));
          controller.close();
          off();
        } else controller.enqueue(encoder.encode(part() || heartbeat));
      },
      cancel() {
        gone = true;
        off();
        wake();
      },
    },
    // Nothing is made ready before it is asked for.
    { highWaterMark: 0 },
  );
}
