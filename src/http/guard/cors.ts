/** What browsers are told of which pages may use the API. */
export interface Cors {
  /** Whether an origin was named in the configuration, rather than let in with all others. */
  lists(origin: string): boolean;
  /** The answer to a preflight, whatever it is for. */
  preflight(): Response;
  /** Adds to an answer what lets the page that asked read it. */
  apply(answer: Headers, request: Request): void;
}

const allowedHeaders = [
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "Last-Event-ID",
  "X-Actor-Id",
  "X-Request-Id",
  "x-api-key",
  "traceparent",
  "tracestate",
];

const exposedHeaders = [
  "Location",
  "RateLimit-Limit",
  "RateLimit-Policy",
  "RateLimit-Remaining",
  "RateLimit-Reset",
  "Retry-After",
  "X-Request-Id",
];

const methods = "GET, HEAD, POST, DELETE, OPTIONS";

/** @param origins the pages that may; without it, or with `*` among them, all of them */
export function createCors(origins?: readonly string[]): Cors {
  const listed = new Set(origins);
  const any = origins === undefined || listed.has("*");
  return {
    lists: (origin) => listed.has(origin.toLowerCase()),
    preflight: () => new Response(null, { status: 204, headers: { allow: methods } }),
    apply(answer, { method, headers }) {
      // Also where there is none: a cache must not give this answer to a page.
      answer.append("vary", "Origin");
      const origin = headers.get("origin");
      if (origin === null || !(any || listed.has(origin.toLowerCase()))) return;
      answer.set("access-control-allow-origin", origin);
      if (method !== "OPTIONS") {
        answer.set("access-control-expose-headers", exposedHeaders.join(", "));
        return;
      }
      answer.set("access-control-allow-methods", methods);
      answer.set("access-control-allow-headers", allowedHeaders.join(", "));
      answer.set("access-control-max-age", "600");
    },
  };
}
