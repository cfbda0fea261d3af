/** The body exceeds the limit; nothing more of it was read. */
export class BodyTooLargeError extends Error {
  readonly limit: number;

  constructor(limit: number) {
    super(`The body is larger than ${limit} bytes`);
    this.name = "BodyTooLargeError";
    this.limit = limit;
  }
}

/**
 * Reads a request's body as UTF-8 text, and stops reading where it exceeds `limit` bytes.
 *
 * @throws BodyTooLargeError
 * @throws TypeError for bytes that are not UTF-8
 */
export async function readBody(request: Request, limit: number): Promise<string> {
  if (Number(request.headers.get("content-length")) > limit) throw new BodyTooLargeError(limit);
  return readText(request.body, limit, new TextDecoder("utf-8", { fatal: true }));
}

/**
 * Reads a stream of bytes as text, and stops reading where it exceeds `limit` bytes.
 *
 * @param decoder by default UTF-8 that replaces what it cannot read
 * @throws BodyTooLargeError
 */
export async function readText(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
  decoder: TextDecoder = new TextDecoder(),
): Promise<string> {
  if (!body) return "";
  const reader = body.getReader();
  let text = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > limit) {
      // Not awaited: the sender may never end, and the answer is known.
      void reader.cancel().catch(() => undefined);
      throw new BodyTooLargeError(limit);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** Levels of arrays and objects in JSON at most, so that no recursion over it can overflow. */
export const depthLimit: number = 100;

/** JSON that is valid and still not taken; `path` is the field's, and empty for the whole. */
export class JsonRefusal extends Error {
  readonly code: "forbidden_key" | "too_deep";
  readonly path: (number | string)[];

  constructor(code: JsonRefusal["code"], path: (number | string)[], message: string) {
    super(message);
    this.name = "JsonRefusal";
    this.code = code;
    this.path = path;
  }
}

/**
 * Parses JSON of at most `levels` levels, without any `__proto__` key: such keys are dropped, or
 * refused where `forbidden` says so.
 *
 * @throws SyntaxError for what is not JSON
 * @throws JsonRefusal
 */
export function parseJson(
  text: string,
  forbidden: "drop" | "refuse" = "drop",
  levels: number = depthLimit,
): unknown {
  const value: unknown = JSON.parse(text);
  if (depthOf(text) > levels) {
    throw new JsonRefusal("too_deep", [], `The body is nested deeper than ${levels} levels`);
  }
  // A backslash, because the key may be written with escapes.
  if (text.includes("__proto__") || text.includes("\\u")) removeProto(value, forbidden, []);
  return value;
}

/** The deepest nesting of valid JSON text, counted without recursion. */
export function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') quoted = !quoted;
    else if (quoted) at += char === "\\" ? 1 : 0;
    else if (char === "[" || char === "{") deepest = Math.max(deepest, ++depth);
    else if (char === "]" || char === "}") depth--;
  }
  return deepest;
}

/** An own `__proto__` is harmless until something assigns it, and then it is another prototype. */
function removeProto(
  value: unknown,
  forbidden: "drop" | "refuse",
  path: (number | string)[],
): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const place = [...path, Array.isArray(value) ? Number(key) : key];
    if (key !== "__proto__") removeProto(item, forbidden, place);
    else if (forbidden === "drop") delete (value as Record<string, unknown>)[key];
    else throw new JsonRefusal("forbidden_key", place, `The key "__proto__" is not allowed`);
  }
}

/** Whether a `Content-Type` says JSON, also `application/problem+json` and the like. */
export function isJsonType(contentType: string): boolean {
  return /^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(contentType.trim());
}

/** JSON text that is the same for the same value, in whatever order its keys were written. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
