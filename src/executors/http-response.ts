import { BodyTooLargeError, parseJson, readText } from "../core/body.ts";
import { type ErrorCode, OrchestratorError } from "../core/errors.ts";
import { parseRetryAfter } from "../core/retry-after.ts";
import { isPlainObject } from "../core/runner-result.ts";
import type { JsonObject } from "../types/runner.ts";
import type { Server } from "../types/server.ts";

/** Errors of the contract: the server did what it was asked, and would answer so again. */
const contractErrors: ReadonlySet<string> = new Set([
  "EXECUTION_FAILED",
  "INPUT_VALIDATION_FAILED",
  "RUNNER_NOT_FOUND",
]);

/** Refusals that say something of this server or this moment: another server may be set up right. */
const serverBound: ReadonlySet<number> = new Set([401, 403, 404, 408, 425, 429]);

/**
 * A response's text.
 *
 * @throws OrchestratorError `RESPONSE_TOO_LARGE` as soon as it is over the limit; the rest is not read
 */
export async function responseText(
  response: Response,
  server: Server,
  limit: number,
): Promise<string> {
  try {
    return await readText(response.body, limit);
  } catch (error) {
    throw error instanceof BodyTooLargeError ? tooLarge(server, error) : error;
  }
}

/** The error of an answer over the limit. */
export function tooLarge(server: Server, { limit }: BodyTooLargeError): OrchestratorError {
  return new OrchestratorError(
    "RESPONSE_TOO_LARGE",
    `Server ${server.id} answered with more than ${limit} bytes`,
  );
}

/** The parsed body, out of its `{"json": …}` envelope if it is in one; `undefined` if it is not JSON, or nested too deep. */
export function parseBody(text: string): unknown {
  try {
    // What a page under test put into `details` must not break the engine's serializer.
    return unwrap(parseJson(text));
  } catch {
    return undefined;
  }
}

/** A body out of its `{"json": …}` envelope, if it is in one. */
export function unwrap(body: unknown): unknown {
  return isPlainObject(body) ? (body.json ?? body) : body;
}

/** The error of a 2xx that is not what was asked for. */
export function invalidResponse(server: Server, lack: string, text: string): OrchestratorError {
  return new OrchestratorError(
    "INVALID_RESPONSE",
    `Server ${server.id} answered with ${lack}: ${JSON.stringify(text.slice(0, 200))}`,
    { retryable: true },
  );
}

/** The error an answer other than 2xx stands for. */
export function responseError(
  response: { status: number; headers: { get(name: string): string | null } },
  text: string,
  server: Server,
): OrchestratorError {
  const { status } = response;
  const parsed = parseBody(text);
  const body: JsonObject = isPlainObject(parsed) ? parsed : {};
  const message = typeof body.message === "string" ? body.message : excerpt(text);
  if (status >= 400 && contractErrors.has(String(body.code))) {
    return new OrchestratorError(body.code as ErrorCode, message, dataOf(body));
  }
  const answered = `Server ${server.id} answered ${status}`;
  if (status < 400) {
    const target = response.headers.get("location");
    return new OrchestratorError(
      "SERVER_REJECTED",
      `${answered}${target ? ` to ${target}` : ""}; redirects are not followed`,
      { retryable: true },
    );
  }
  const retryAfter = parseRetryAfter(response.headers.get("retry-after"));
  return new OrchestratorError(
    status >= 500 ? "SERVER_ERROR" : "SERVER_REJECTED",
    message === "" ? answered : `${answered}: ${message}`,
    { ...dataOf(body), retryable: status >= 500 || serverBound.has(status), retryAfter },
  );
}

function dataOf(body: JsonObject): { data?: JsonObject } {
  return isPlainObject(body.data) ? { data: body.data } : {};
}

/** What an error page says, short and without its markup. */
function excerpt(text: string): string {
  const plain = text
    .slice(0, 10_000)
    .replaceAll(/<(script|style)\b.*?<\/\1\s*>/gis, " ")
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain;
}
