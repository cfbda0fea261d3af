/** What the engine does with a message; an answer with `timeoutSeconds` asks for it again after that time. */
export type MessageHandler = (
  message: unknown,
  // The engine has a brand on its ids, which nothing here looks at.
  meta: any,
) => Promise<void | { timeoutSeconds: number }>;

/** What a handler is told beside the message. */
export interface MessageMeta {
  attempt: number;
  queueName: string;
  messageId: string;
}

/** What a queue's name says. */
export interface ParsedQueueName {
  prefix: string;
  kind: "workflow" | "step";
  id: string;
}

/** The form of messages over HTTP, as the engine's local World has it: JSON, with bytes in base64. */
const headerNames = {
  queueName: "x-vqs-queue-name",
  messageId: "x-vqs-message-id",
  attempt: "x-vqs-message-attempt",
} as const;

/**
 * Reads a queue's name.
 * @throws when it has no known prefix
 */
export function parseQueueName(queueName: string): ParsedQueueName {
  const match = /^(__(?:[a-z][a-z0-9]*_)?wkf_(workflow|step)_)(.+)$/.exec(queueName);
  if (!match) throw new Error(`Invalid queue name: ${queueName}`);
  return { prefix: match[1]!, kind: match[2] as "workflow" | "step", id: match[3]! };
}

/** The run that a message is for; undefined when it is for none. */
export function runIdOf(payload: unknown): string | undefined {
  const { runId, workflowRunId } = (payload ?? {}) as Record<string, unknown>;
  const id = runId ?? workflowRunId;
  return typeof id === "string" ? id : undefined;
}

/** A message as text. */
export function encodeMessage(payload: unknown): string {
  return JSON.stringify(payload, replaceBytes);
}

/** A message out of its text; dates stay text, as the engine takes them too. */
export function decodeMessage(text: string): unknown {
  return JSON.parse(text, reviveBytes);
}

/** Hands a message to a `fetch`-like handler, and reads its answer. */
export async function encodeRequest(
  handler: (request: Request) => Promise<Response>,
  payload: unknown,
  meta: MessageMeta,
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
      body: encodeMessage(payload),
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
  handler: MessageHandler,
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
  const payload = decodeMessage(await request.text());
  try {
    const answer = await handler(payload, { attempt, queueName, messageId });
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
