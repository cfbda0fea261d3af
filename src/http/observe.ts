import { plainTracing, type RandomHex, traceIdOf, traceOf } from "../core/trace.ts";
import type { Observability, Span } from "../types/observe.ts";
import type { ApiHandler } from "./app.ts";
import { failureOf } from "./errors.ts";
import { openScope, type RequestScope } from "./request-scope.ts";
import { methodLabel, type Mount, routeLabel } from "./route-label.ts";

/** Characters of a path in the log at most. */
const MAX_PATH = 512;

/**
 * Gives every request an id, a place in a trace and a line in the log, and counts it. Of its path the
 * metrics have the pattern alone; of its query nothing is told at all, since it may carry a token.
 */
export function observed(
  handler: ApiHandler,
  mount: Mount,
  observability: Observability = unobserved,
): ApiHandler {
  const { log, tracing } = observability;
  return async (request) => {
    const begin = performance.now();
    const { method, headers } = request;
    const path = pathOf(request.url);
    const label = routeLabel(path, mount);
    const span = startSpan(request, path, label);
    const scope = createScope(requestId(headers), span);
    openScope(request, scope);
    const response = await span.run(() => handler(request));
    const failure = scope.failure ?? failureOf(response);
    const { status } = response;
    const ms = performance.now() - begin;
    observability.request({
      method: methodLabel(method),
      route: label,
      status,
      seconds: ms / 1000,
    });
    const attributes = { "http.response.status_code": status };
    span.end({ attributes, ...(status >= 500 && { error: String(status) }) });
    if (failure) scope.log.error({ err: failure.cause }, "request failed");
    log.info(
      {
        id: scope.id,
        method,
        path: path.slice(0, MAX_PATH),
        status,
        duration_ms: Math.round(ms * 1000) / 1000,
        trace_id: traceIdOf(scope.trace),
      },
      "request",
    );
    return withRequestId(response, scope.id);
  };

  function startSpan({ method, headers, url }: Request, path: string, label: string): Span {
    const parent = traceOf(headers);
    const name = methodLabel(method);
    const known = name === "other" ? "HTTP" : name;
    return tracing.start({
      name: label === "unmatched" ? known : `${known} ${label}`,
      kind: "server",
      attributes: {
        "http.request.method": name === "other" ? "_OTHER" : name,
        "http.route": label,
        "url.path": path,
        "url.scheme": url.slice(0, url.indexOf(":")),
      },
      ...(parent && { parent }),
    });
  }

  function createScope(id: string, span: Span): RequestScope {
    let own: RequestScope["log"] | undefined;
    return {
      id,
      trace: span.context,
      // Most requests write one line, and need no log of their own for it.
      get log() {
        return (own ??= log.child({ id }));
      },
    };
  }
}

/** A request's own id where it is fit to be repeated in a header and a log, else a new one. */
export function requestId(headers: Pick<Headers, "get">): string {
  const given = headers.get("x-request-id");
  return given !== null && /^[\x21-\x7E]{1,128}$/.test(given) ? given : crypto.randomUUID();
}

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const pool = new Uint8Array(4096);
let used: number = pool.length;

/** Random hexadecimal digits, as ids of traces are made of, from bytes that are drawn by the thousand. */
export const randomHex: RandomHex = (bytes) => {
  let text = "";
  for (let index = 0; index < bytes; index++) {
    if (used === pool.length) {
      crypto.getRandomValues(pool);
      used = 0;
    }
    text += digits[pool[used++]!];
  }
  return text;
};

/** The same response with the header of its request's id. */
export function withRequestId(response: Response, id: string): Response {
  try {
    response.headers.set("x-request-id", id);
    return response;
  } catch {
    // One that came from elsewhere lets nobody change its headers.
    const { status, statusText, body } = response;
    const headers = new Headers(response.headers);
    headers.set("x-request-id", id);
    return new Response(body, { status, statusText, headers });
  }
}

/** Tells of nothing but what nobody foresaw, which no server may keep to itself. */
const unobserved: Observability = {
  log: {
    info: () => undefined,
    warn: () => undefined,
    error: ({ err }, message) => console.error(`[orchestrator] ${message}:`, err),
    child: () => unobserved.log,
  },
  tracing: plainTracing(randomHex),
  request: () => undefined,
  eventStreams: { inc: () => undefined, dec: () => undefined },
  metrics: async () => ({ contentType: "text/plain; charset=utf-8", text: "" }),
};

/** The path of a URL as it was sent, without its query. */
function pathOf(url: string): string {
  const begin = url.indexOf("/", url.indexOf("//") + 2);
  if (begin === -1) return "/";
  const end = url.slice(begin).search(/[?#]/);
  return end === -1 ? url.slice(begin) : url.slice(begin, begin + end);
}
