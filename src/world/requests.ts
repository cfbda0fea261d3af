import type { QueueHandler } from "./types.ts";

/** The form of messages over HTTP, as the engine's local World has it: JSON, with bytes in base64. */
const headerNames = {
  queueName: "x-vqs-queue-name",
  messageId: "x-vqs-message-id",
  attempt: "x-vqs-message-attempt",
} as const;

type Meta = Parameters<QueueHandler>[1];

/** Hands a message to a `fetch`-like handler, and reads its answer. */
export async function encodeRequest(
  handler: (request: Request) => Promise<Response>,
  payload: unknown,
  meta: Meta,
): Promise<void | { timeoutSeconds: number }> {
  const kind = /wkf_workflow_/.test(meta.queueName) ? "flow" : "step";
  const response = await handler(
    new Request(`http://localhost/.well-known/workflow/v1/${kind}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        [headerNames.queueName]: meta.queueName,
        [headerNames.messageId]: meta.messageId,
        [headerNames.attempt]: String(meta.attempt),
      },
      body: JSON.stringify(payload, replaceBytes),
    }),
  );
  const text = await response.text();
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${text}`);
  const { timeoutSeconds } = (JSON.parse(text || "{}") ?? {}) as { timeoutSeconds?: unknown };
  if (typeof timeoutSeconds === "number") return { timeoutSeconds };
}

/** Has a handler answer a request that carries a message; a failure is a 500. */
export async function handleRequest(
  prefix: string,
  handler: QueueHandler,
  request: Request,
): Promise<Response> {
  const queueName = request.headers.get(headerNames.queueName);
  const messageId = request.headers.get(headerNames.messageId);
  const attempt = Number(request.headers.get(headerNames.attempt) ?? Number.NaN);
  if (!request.body) return Response.json({ error: "Missing request body" }, { status: 400 });
  if (!queueName || !messageId || !Number.isFinite(attempt)) {
    return Response.json({ error: "Missing required headers" }, { status: 400 });
  }
  if (!queueName.startsWith(prefix)) {
    return Response.json({ error: "Unhandled queue" }, { status: 400 });
  }
  const payload: unknown = JSON.parse(await request.text(), reviveBytes);
  try {
    const answer = await handler(payload, { attempt, queueName, messageId } as Meta);
    const timeoutSeconds = answer?.timeoutSeconds;
    return Response.json(typeof timeoutSeconds === "number" ? { timeoutSeconds } : { ok: true });
  } catch (error) {
    return Response.json(String(error), { status: 500 });
  }
}

function replaceBytes(this: unknown, _key: string, value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  return { __type: "Uint8Array", data: Buffer.from(value).toString("base64") };
}

function reviveBytes(_key: string, value: unknown): unknown {
  const { __type, data } = (value ?? {}) as { __type?: unknown; data?: unknown };
  if (__type !== "Uint8Array" || typeof data !== "string") return value;
  return new Uint8Array(Buffer.from(data, "base64"));
}
