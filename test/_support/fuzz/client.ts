import { connect, type Socket } from "node:net";

/** A request as its bytes are sent. */
export interface RawRequest {
  method: string;
  /** As it stands in the first line. */
  target: string;
  headers: [name: string, value: string][];
  body?: Buffer;
  /** How the body is framed; a `cut` one ends before it said it would. */
  framing: "chunked" | "cut-chunked" | "cut-length" | "length";
}

/** What came back: an answer, or nothing because the connection was closed. */
export type RawAnswer =
  | { kind: "answer"; status: number; headers: Map<string, string>; body: Buffer }
  | { kind: "closed" };

/** Sends one request after another over a connection that is kept. */
export interface RawClient {
  /** Rejects when there is neither an answer nor an end of the connection in time. */
  send(request: RawRequest): Promise<RawAnswer>;
  close(): void;
}

/** Milliseconds that an answer may take. */
const patience = 10_000;

/** A client that sends what no other would: each byte as it is told. */
export function createRawClient(url: string): RawClient {
  const { hostname, port } = new URL(url);
  let kept: Socket | undefined;

  async function open(): Promise<Socket> {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await new Promise((resolve, reject) => {
      socket.once("connect", resolve).once("error", reject);
    });
    return socket;
  }

  async function send(request: RawRequest): Promise<RawAnswer> {
    const used = kept && !kept.destroyed && kept.readable ? kept : undefined;
    kept = undefined;
    const socket = used ?? (await open());
    const { answer, reusable } = await exchange(socket, request);
    if (reusable) kept = socket;
    else socket.destroy();
    // It had been kept for too long, as the server found at the same time.
    if (answer.kind === "closed" && used && !request.framing.startsWith("cut"))
      return send(request);
    return answer;
  }

  return { send, close: () => kept?.destroy() };
}

/** Sends a request and reads its answer; of an event stream only its first frame. */
function exchange(
  socket: Socket,
  request: RawRequest,
): Promise<{ answer: RawAnswer; reusable: boolean }> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const settle = (answer: RawAnswer | undefined, reusable = false): void => {
      clearTimeout(timer);
      socket.off("data", onData).off("close", onClose);
      if (answer) resolve({ answer, reusable });
      else reject(new Error(`no answer within ${patience} ms`));
    };
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const parsed = parseAnswer(received, request.method, false);
      if (parsed) settle(parsed, isReusable(parsed, request));
    };
    const onClose = (): void => {
      settle(parseAnswer(received, request.method, true) ?? { kind: "closed" });
    };
    const timer = setTimeout(() => settle(undefined), patience);
    socket.on("data", onData).on("close", onClose);
    // What went wrong is told by the end of the connection.
    if (socket.listenerCount("error") < 2) socket.on("error", () => undefined);
    socket.write(bytesOf(request));
    if (request.framing.startsWith("cut")) socket.end();
  });
}

function bytesOf({ method, target, headers, body, framing }: RawRequest): Buffer {
  const all = [...headers];
  const chunked = framing.endsWith("chunked");
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  if (!given.has("host")) all.unshift(["Host", "127.0.0.1"]);
  if (body && !given.has("content-length") && !given.has("transfer-encoding")) {
    const length = framing === "cut-length" ? body.length + 10 : body.length;
    all.push(chunked ? ["Transfer-Encoding", "chunked"] : ["Content-Length", String(length)]);
  }
  const lines = [
    `${method} ${target} HTTP/1.1`,
    ...all.map(([name, value]) => `${name}: ${value}`),
  ];
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  if (!body) return head;
  if (!chunked) return Buffer.concat([head, body]);
  const chunk = Buffer.concat([
    Buffer.from(`${(body.length || 1).toString(16)}\r\n`),
    body.length > 0 ? body : Buffer.from(" "),
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([head, chunk, Buffer.from(framing === "chunked" ? "0\r\n\r\n" : "ff\r\n")]);
}

type Answered = Extract<RawAnswer, { kind: "answer" }>;

/** The answer in these bytes; undefined while it is not whole. */
function parseAnswer(bytes: Buffer, method: string, ended: boolean): Answered | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
  if (Number.isNaN(status)) throw new Error(`no answer of HTTP: ${first}`);
  const rest = bytes.subarray(end + 4);
  if (status < 200) return parseAnswer(rest, method, ended);
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const body = bodyOf(rest, status, method, headers, ended);
  return body && { kind: "answer", status, headers, body };
}

function bodyOf(
  rest: Buffer,
  status: number,
  method: string,
  headers: Map<string, string>,
  ended: boolean,
): Buffer | undefined {
  if (method === "HEAD" || status === 204 || status === 304) return Buffer.alloc(0);
  const length = headers.get("content-length");
  if (length !== undefined) {
    return rest.length >= Number(length) ? rest.subarray(0, Number(length)) : undefined;
  }
  if (headers.get("transfer-encoding") === "chunked") {
    const { body, whole } = dechunked(rest);
    const streams = headers.get("content-type")?.startsWith("text/event-stream");
    return whole || (streams && body.includes("\n\n")) ? body : undefined;
  }
  return ended ? rest : undefined;
}

function dechunked(bytes: Buffer): { body: Buffer; whole: boolean } {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return { body: Buffer.concat(parts), whole: false };
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    if (size === 0) return { body: Buffer.concat(parts), whole: true };
    if (bytes.length < line + 2 + size + 2) return { body: Buffer.concat(parts), whole: false };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

/** Whether the next request may go over the same connection. */
function isReusable({ headers }: Answered, { framing, headers: sent }: RawRequest): boolean {
  const streams = headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const closes = headers.get("connection")?.toLowerCase() === "close";
  const odd = sent.some(([name]) =>
    /^(?:connection|content-length|transfer-encoding|expect|upgrade)$/i.test(name),
  );
  return !streams && !closes && !odd && !framing.startsWith("cut");
}
