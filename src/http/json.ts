import { BodyTooLargeError, isJsonType, readBody } from "../core/body.ts";
import { HttpProblem } from "./errors.ts";

/** Bytes of a request's body at most. */
export const bodyLimit: number = 1024 * 1024;

/** Levels of arrays and objects in a body at most, so that no recursion over it can overflow. */
const depthLimit = 100;

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
  if (depthOf(text) > depthLimit) {
    throw new HttpProblem(400, `The body is nested deeper than ${depthLimit} levels`);
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
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HttpProblem(400, `The body is not valid JSON: ${(error as Error).message}`);
  }
}

/** The deepest nesting of valid JSON text, counted without recursion. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{}\]]/g)) {
    if (token === "[" || token === "{") deepest = Math.max(deepest, ++depth);
    else if (token === "]" || token === "}") depth--;
  }
  return deepest;
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
