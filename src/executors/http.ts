import { longestTimer } from "../core/sleep.ts";
import { onAbort } from "../core/abort.ts";
import { BodyTooLargeError } from "../core/body.ts";
import { isOrchestratorError, OrchestratorError } from "../core/errors.ts";
import type { Probe } from "../core/health-check.ts";
import { eventLimits } from "../core/runner-events.ts";
import { isPlainObject } from "../core/runner-result.ts";
import type { ExecuteRequest, Executor } from "../types/executor.ts";
import type { Server } from "../types/server.ts";
import { type HttpAnswer, type HttpRequest, sendRequest } from "./http-client.ts";
import { createLineReader } from "./http-lines.ts";
import {
  invalidResponse,
  parseBody,
  responseError,
  responseText,
  tooLarge,
} from "./http-response.ts";
import { executeBody, readReply } from "./work-order.ts";

/** How runner servers are called. */
export interface HttpOptions {
  /**
   * Sends requests instead of `node:http`, for example through a proxy. The global `fetch` gives up a
   * response whose headers, or the next part of whose body, take more than 300 s, whatever a job's
   * timeout says.
   */
  fetch?: typeof globalThis.fetch;
  /**
   * Bytes of a response at most.
   * @default 5242880
   */
  maxResponseBytes?: number;
  /** Sent with every request, such as an `Authorization` the servers ask for. */
  headers?: Record<string, string>;
}

/**
 * Executes jobs by `POST {url}/execute`.
 *
 * Rejects with `SERVER_UNREACHABLE`, `SERVER_TIMEOUT`, `SERVER_ERROR`, `SERVER_REJECTED`,
 * `INVALID_RESPONSE`, `RESPONSE_TOO_LARGE`, or the server's own `RUNNER_NOT_FOUND`,
 * `INPUT_VALIDATION_FAILED` and `EXECUTION_FAILED`; with the signal's reason when it aborts.
 */
export function createHttpExecutor(options: HttpOptions = {}): Executor {
  return {
    name: "http",
    async execute(request) {
      const { server, onEvent } = request;
      // A `fetch` of the caller's own is asked for no more than it has always been.
      const lines = onEvent && !options.fetch ? createLineReader(server, onEvent) : undefined;
      const text = await call(options, server, "execute", request, {
        method: "POST",
        headers: { ...executeHeaders(request), ...(lines && { accept: acceptLines }) },
        body: JSON.stringify({ json: executeBody(request) }),
        ...(lines && { onLine: lines.take }),
      });
      const last = lines?.end() ?? { body: parseBody(text), text };
      return readReply(last.body, last.text, request);
    },
  };
}

/** Probes a server by `GET {url}/info`: it is well if that answers 200 with a list of runners. */
export function createHttpProbe(options: HttpOptions = {}): Probe {
  return async (server, signal) => {
    const init = { method: "GET", headers: { accept: "application/json" } } as const;
    const text = await call(options, server, "info", { signal }, init);
    const body = parseBody(text);
    if (!isPlainObject(body) || !Array.isArray(body.runners)) {
      throw invalidResponse(server, "no list of runners", text);
    }
  };
}

/** Sends one request and reads its 2xx answer's text, in time and within the limit. */
async function call(
  options: HttpOptions,
  server: Server,
  endpoint: string,
  limits: { signal?: AbortSignal; timeout?: number },
  init: Pick<HttpRequest, "body" | "headers" | "method" | "onLine">,
): Promise<string> {
  const url = `${server.url.replace(/\/+$/, "")}/${endpoint}`;
  const deadline = startDeadline(server, limits);
  try {
    const headers = { ...lowerCased(options.headers), ...init.headers };
    const { signal } = deadline;
    // What runners tell meanwhile must not leave less to their results.
    const told = init.onLine ? eventLimits.bytes : 0;
    const limit = (options.maxResponseBytes ?? 5 * 1024 * 1024) + told;
    const request = { ...init, url, headers, signal, limit };
    const answer = await (options.fetch
      ? fetchText(options.fetch, request, server)
      : sendRequest(request));
    if (answer.status < 200 || answer.status > 299) {
      throw responseError(answer, answer.text, server);
    }
    return answer.text;
  } catch (error) {
    deadline.signal.throwIfAborted();
    if (error instanceof BodyTooLargeError) throw tooLarge(server, error);
    throw isOrchestratorError(error) ? error : connectionError(error, server);
  } finally {
    deadline.end();
  }
}

/** The same by a `fetch` of the caller's own. */
async function fetchText(
  fetch: typeof globalThis.fetch,
  { url, limit, ...init }: HttpRequest,
  server: Server,
): Promise<HttpAnswer> {
  const response = await fetch(url, { ...init, redirect: "manual" });
  const { status, headers } = response;
  return { status, headers, text: await responseText(response, server, limit) };
}

/** Names of headers are the same in any case; ours must win over a caller's. */
function lowerCased(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

/** A signal that aborts with the caller's, or with `SERVER_TIMEOUT`; it holds on to nothing once ended. */
function startDeadline(
  server: Server,
  { signal, timeout = longestTimer }: { signal?: AbortSignal; timeout?: number },
): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  const expire = (): void => controller.abort(timeoutError(server, `${timeout} ms`));
  const timer = setTimeout(expire, Math.min(timeout, longestTimer));
  const off = onAbort(signal, () => controller.abort(signal?.reason));
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      off();
    },
  };
}

const acceptLines = "application/x-ndjson, application/json";

function executeHeaders({
  idempotencyKey,
  attempt,
  trace,
}: ExecuteRequest): Record<string, string> {
  return {
    "content-type": "application/json",
    accept: "application/json",
    "idempotency-key": headerValue(idempotencyKey),
    "x-attempt": String(attempt),
    ...trace,
  };
}

/** A caller's run id may have any character in it; a header may not. */
function headerValue(text: string): string {
  if (/^[\x21-\x7e]*$/.test(text)) return text;
  const bytes = [...new TextEncoder().encode(text)];
  return bytes
    .map((byte) =>
      byte > 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    )
    .join("");
}

function timeoutError(server: Server, after: string): OrchestratorError {
  return new OrchestratorError("SERVER_TIMEOUT", `Server ${server.id} did not answer in ${after}`, {
    retryable: true,
  });
}

function connectionError(cause: unknown, server: Server): OrchestratorError {
  const reason = (cause as { cause?: { code?: unknown; message?: unknown } }).cause ?? cause;
  const { code, message } = reason as { code?: unknown; message?: unknown };
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") {
    return timeoutError(server, "the time fetch allows");
  }
  return new OrchestratorError(
    "SERVER_UNREACHABLE",
    `Server ${server.id} cannot be reached at ${server.url}: ${String(code ?? message ?? reason)}`,
    { retryable: true, cause },
  );
}
