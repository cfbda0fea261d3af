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
