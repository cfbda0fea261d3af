import { HttpProblem } from "../errors.ts";

/** Bytes of a query string at most. */
export const queryLimit: number = 8 * 1024;

/** Bytes of all headers at most, as HTTP/1.1 writes them. */
export const headersLimit: number = 16 * 1024;

/**
 * Refuses a request whose query or headers are too large; bodies are measured where they are read.
 *
 * @throws HttpProblem 414 or 431
 */
export function assertWithinLimits({ url, headers }: Request): void {
  const at = url.indexOf("?");
  const query = at === -1 ? 0 : url.length - at - 1;
  if (query > queryLimit) {
    const error = `The query string is longer than ${queryLimit} bytes`;
    throw new HttpProblem(414, error, { limit: queryLimit });
  }
  let size = 0;
  // `: ` and the end of the line.
  for (const [name, value] of headers) size += name.length + value.length + 4;
  if (size > headersLimit) {
    const error = `The headers are larger than ${headersLimit} bytes`;
    throw new HttpProblem(431, error, { limit: headersLimit });
  }
}
