import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { onAbort } from "../core/abort.ts";
import { BodyTooLargeError } from "../core/body.ts";

/** One request to send. */
export interface HttpRequest {
  url: string;
  method: "GET" | "POST";
  /** With names in lower case. */
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
  /** Bytes of the answer's body at most, after it was decompressed. */
  limit: number;
  /** Takes the lines of an answer of `application/x-ndjson` as they come, instead of its text; what it throws ends the request. */
  onLine?: (line: string) => void;
}

/** An answer, read to its end. */
export interface HttpAnswer {
  status: number;
  headers: { get(name: string): string | null };
  text: string;
}

/** Milliseconds that an idle connection is kept where the server does not say how long it keeps it. */
const KEEP_IDLE_MS = 4000;

/** Milliseconds before a server closes an idle connection in which it is not used any more: the request could cross the close. */
const KEEP_MARGIN_MS = 2000;

/** How often the system asks whether the other side of a connection is still there. */
const PROBE_MS = 1000;

const agents = {
  "http:": keepingShort(new HttpAgent({ keepAlive: true, timeout: KEEP_IDLE_MS })),
  "https:": keepingShort(new HttpsAgent({ keepAlive: true, timeout: KEEP_IDLE_MS })),
};

/**
 * Sends a request and reads its answer as text; a redirect is an answer. A third of what the global
 * `fetch` costs, and without its limits of 300 s.
 *
 * @throws BodyTooLargeError as soon as the body is over the limit; the rest is not read
 */
export async function sendRequest(options: HttpRequest): Promise<HttpAnswer> {
  const { signal } = options;
  signal.throwIfAborted();
  let off: (() => void) | undefined;
  try {
    return await new Promise((resolve, reject) => {
      const request = open(options, (response) => {
        noteKeepAlive(response);
        const headers = {
          get: (name: string) => [response.headers[name]].flat().join(", ") || null,
        };
        readBody(response, options, (error, text) => {
          if (error) {
            reject(error);
            request.destroy();
          } else resolve({ status: response.statusCode!, headers, text });
        });
      });
      request.on("error", reject);
      off = onAbort(signal, () => request.destroy(signal.reason as Error));
      request.end(options.body);
    });
  } finally {
    off?.();
  }
}

function open(
  { url, method, headers }: HttpRequest,
  onResponse: (response: IncomingMessage) => void,
): ReturnType<typeof httpRequest> {
  const target = new URL(url);
  const secure = target.protocol === "https:";
  const sent = { "accept-encoding": "gzip, deflate, br", ...headers };
  const agent = agents[secure ? "https:" : "http:"];
  return (secure ? httpsRequest : httpRequest)(
    target,
    { method, headers: sent, agent },
    onResponse,
  );
}

/** Reads a body to its end, however it is compressed. */
function readBody(
  response: IncomingMessage,
  { limit, onLine, signal }: HttpRequest,
  done: (error: unknown, text: string) => void,
): void {
  const sink = onLine && isLines(response) ? createLineSink(onLine, signal) : createTextSink();
  let size = 0;
  let over = false;
  const fail = (error: unknown): void => {
    over = true;
    done(error, "");
  };
  const body = decompressed(response, fail);
  body.on("data", (part: Buffer) => {
    // What is decompressed still comes when the connection has gone.
    if (over || signal.aborted) return;
    size += part.byteLength;
    if (size > limit) return fail(new BodyTooLargeError(limit));
    try {
      sink.write(part);
    } catch (error) {
      fail(error);
    }
  });
  body.on("end", () => {
    if (over) return;
    try {
      signal.throwIfAborted();
      done(undefined, sink.end());
    } catch (error) {
      fail(error);
    }
  });
  body.on("error", fail);
}

/** Takes a body part by part. */
interface Sink {
  write(part: Buffer): void;
  /** What is left of it as text. */
  end(): string;
}

function createTextSink(): Sink {
  const parts: Buffer[] = [];
  return { write: (part) => void parts.push(part), end: () => decode(parts) };
}

/** Passes on each line as soon as all of it is there, so that nothing is left at the end. */
function createLineSink(onLine: (line: string) => void, signal: AbortSignal): Sink {
  let parts: Buffer[] = [];
  function flush(): void {
    const line = decode(parts);
    parts = [];
    // Many come in one part, and any of them may bring the abort about.
    signal.throwIfAborted();
    onLine(line);
  }
  return {
    write(part) {
      let from = 0;
      for (let at = part.indexOf(LF); at !== -1; at = part.indexOf(LF, from)) {
        if (at > from) parts.push(part.subarray(from, at));
        if (parts.length > 0) flush();
        from = at + 1;
      }
      if (from < part.byteLength) parts.push(part.subarray(from));
    },
    end() {
      if (parts.length > 0) flush();
      return "";
    },
  };
}

const LF = 0x0a;

function isLines({ statusCode = 0, headers }: IncomingMessage): boolean {
  const successful = statusCode >= 200 && statusCode <= 299;
  return successful && /^application\/x-ndjson\s*(;|$)/i.test(headers["content-type"] ?? "");
}

/** A body as it was before it was compressed. */
function decompressed(response: IncomingMessage, onError: (error: unknown) => void): Readable {
  const make = decompressors.get(response.headers["content-encoding"]?.toLowerCase() ?? "");
  if (!make) return response;
  // An answer that breaks off ends no pipe.
  response.on("error", onError);
  return response.pipe(make());
}

const decompressors: ReadonlyMap<string, () => NodeJS.ReadWriteStream & Readable> = new Map([
  ["gzip", createGunzip],
  ["x-gzip", createGunzip],
  ["deflate", createInflate],
  ["br", createBrotliDecompress],
]);

const decoder = new TextDecoder();

function decode(parts: readonly Buffer[]): string {
  return decoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts));
}

/** Milliseconds that a server keeps an idle connection, as far as it has said so. */
const keptByServer: WeakMap<object, number> = new WeakMap();

/** Lets idle connections go before their server does. */
function keepingShort<Agent extends HttpAgent>(agent: Agent): Agent {
  agent.keepSocketAlive = (stream) => {
    const socket = stream as Socket;
    const kept = (keptByServer.get(socket) ?? Infinity) - KEEP_MARGIN_MS;
    if (kept <= 0) return false;
    socket.setKeepAlive(true, PROBE_MS);
    socket.unref();
    socket.setTimeout(Math.min(kept, KEEP_IDLE_MS));
    return true;
  };
  return agent;
}

/** Remembers how long the server keeps the connection of an answer. */
function noteKeepAlive({ headers, socket }: IncomingMessage): void {
  const seconds = /timeout=(\d+)/i.exec(String(headers["keep-alive"] ?? ""))?.[1];
  if (seconds !== undefined) keptByServer.set(socket, Number(seconds) * 1000);
}
