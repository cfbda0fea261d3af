import { BodyTooLargeError, isJsonType, JsonRefusal, parseJson, readBody } from "../core/body.ts";
import { HttpProblem } from "./errors.ts";

/** Bytes of a request's body at most. */
export const bodyLimit: number = 1024 * 1024;

/**
 * A request's body as a JSON object; an absent body is an empty one.
 *
 * @throws HttpProblem 413, 415 or 400
 */
export async function readJsonObject(request: Request): Promise<Record<string, unknown>> {
  const text = await readText(request);
  if (text === "") return {};
  const type = request.headers.get("content-type") ?? "";
  if (!isJsonType(type)) {
    throw new HttpProblem(
      415,
      `Content-Type must be application/json${type ? ` (got ${type})` : ""}`,
    );
  }
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new HttpProblem(400, "The body must be a JSON object");
  }
  return value as Record<string, unknown>;
}

async function readText(request: Request): Promise<string> {
  try {
    return await readBody(request, bodyLimit);
  } catch (error) {
    if (error instanceof BodyTooLargeError) {
      throw new HttpProblem(413, error.message, { limit: error.limit }, { connection: "close" });
    }
    if (error instanceof TypeError) throw new HttpProblem(400, "The body is not valid UTF-8");
    // Whoever sent it has gone, or never sent it as HTTP has it.
    throw new HttpProblem(400, "The body was cut off");
  }
}

function parse(text: string): unknown {
  try {
    return parseJson(text, "refuse");
  } catch (error) {
    const { message } = error as Error;
    if (!(error instanceof JsonRefusal))
      throw new HttpProblem(400, `The body is not valid JSON: ${message}`);
    throw new HttpProblem(400, message, {
      issues: [{ path: error.path, message, code: error.code }],
    });
  }
}

/** A JSON answer for any value a workflow returns: what JSON cannot say is written as its nearest. */
export function jsonResponse(value: unknown, init: ResponseInit = {}): Response {
  const text = JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === "bigint") return item.toString();
    if (item instanceof Map) return Object.fromEntries(item);
    if (item instanceof Set) return [...item];
    if (item instanceof Error) return { name: item.name, message: item.message };
    return item;
  });
  const headers = new Headers(init.headers);
  headers.set("content-type", "application/json");
  return new Response(text ?? "null", { ...init, headers });
}

/** Characters of a list that are in memory at a time, unless a single item has more. */
const PART = 64 * 1024;

/**
 * A JSON answer with a list at its end, whose items are read as the answer is. What goes wrong before the first
 * part is there is thrown.
 */
export async function jsonListResponse(
  head: Record<string, unknown>,
  name: string,
  items: AsyncIterable<unknown>,
): Promise<Response> {
  const iterator = items[Symbol.asyncIterator]();
  let text = JSON.stringify({ ...head, [name]: [] }).slice(0, -"]}".length);
  let separator = "";
  let ended = false;

  async function part(): Promise<string> {
    while (!ended && text.length < PART) {
      const { done, value } = await iterator.next();
      ended = done === true;
      text += ended ? "]}" : separator + JSON.stringify(value);
      separator = ",";
    }
    const ready = text;
    text = "";
    return ready;
  }

  const first = await part();
  const headers = { "content-type": "application/json" };
  if (ended) return new Response(first, { headers });
  const encoder = new TextEncoder();
  const begin = encoder.encode(first);
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(begin),
      async pull(controller) {
        controller.enqueue(encoder.encode(await part()));
        if (ended) controller.close();
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers });
}
