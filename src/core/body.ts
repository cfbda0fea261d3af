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
