import { afterAll, expect, test } from "vitest";
import { createGuard } from "../../../src/http/guard/guard.ts";
import { serveRunApi } from "../../_support/run-api.ts";

const keys = [{ name: "ci", key: "secret", scopes: ["run" as const] }];
const any = await serveRunApi(["greet"], createGuard({ keys }));
const few = await serveRunApi(
  ["greet"],
  createGuard({ origins: ["https://app.example", "http://localhost:3000"] }),
);
const star = await serveRunApi(["greet"], createGuard({ origins: ["*"] }));

afterAll(() => Promise.all([any.close(), few.close(), star.close()]));

const corsHeaders = (headers: Headers): string[] =>
  [...headers.keys()].filter((name) => name.startsWith("access-control-"));

const preflight = (method = "POST", origin = "https://app.example") => ({
  method: "OPTIONS",
  headers: {
    origin,
    "access-control-request-method": method,
    "access-control-request-headers": "authorization,x-api-key",
  },
});

test.each(["", "/greet", "/runs/r1/checkpoints", "/servers/eu", "/no/such/path/at/all"])(
  "a preflight of %j needs no key and is answered with all that may be sent",
  async (path) => {
    const { status, headers } = await fetch(any.base + path, preflight("DELETE"));
    expect(status).toBe(204);
    expect(headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(headers.get("vary")).toMatch(/\bOrigin\b/);
    expect(headers.get("access-control-allow-methods")).toBe("GET, HEAD, POST, DELETE, OPTIONS");
    const names = headers.get("access-control-allow-headers")!.toLowerCase().split(", ");
    expect(names).toEqual(
      expect.arrayContaining([
        "authorization",
        "x-api-key",
        "last-event-id",
        "content-type",
        "idempotency-key",
        "x-request-id",
        "x-actor-id",
        "traceparent",
      ]),
    );
    expect(Number(headers.get("access-control-max-age"))).toBeGreaterThan(0);
    // A page must not send along what a browser keeps for this server.
    expect(headers.has("access-control-allow-credentials")).toBe(false);
  },
);

test("every answer can be read by the page, errors and HEAD too", async () => {
  const origin = { origin: "https://anywhere.example" };
  for (const [path, init, status] of [
    ["", { headers: origin }, 401],
    ["", { method: "HEAD", headers: origin }, 401],
    ["/greet", { headers: { ...origin, "x-api-key": "secret" } }, 403],
    ["/nothing/here", { method: "POST", headers: { ...origin, "x-api-key": "secret" } }, 404],
    [`?${"q".repeat(9000)}`, { headers: origin }, 414],
  ] as const) {
    const answer = await fetch(any.base + path, init);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("access-control-allow-origin")).toBe("https://anywhere.example");
    const exposed = answer.headers.get("access-control-expose-headers")!.split(", ");
    expect(exposed).toEqual(
      expect.arrayContaining([
        "Location",
        "RateLimit-Limit",
        "RateLimit-Policy",
        "RateLimit-Remaining",
        "RateLimit-Reset",
        "Retry-After",
        "X-Request-Id",
      ]),
    );
    expect(answer.headers.get("vary")).toContain("Origin");
  }
});

test("an origin that is not listed gets no CORS headers, and its preflight neither", async () => {
  for (const origin of ["https://evil.example", "https://app.example.evil.example", "null"]) {
    const plain = await fetch(few.base, { headers: { origin } });
    expect({ status: plain.status, cors: corsHeaders(plain.headers) }).toEqual({
      status: 200,
      cors: [],
    });
    const asked = await fetch(few.base, preflight("POST", origin));
    expect({ status: asked.status, cors: corsHeaders(asked.headers) }).toEqual({
      status: 204,
      cors: [],
    });
  }
  const listed = await fetch(few.base, { headers: { origin: "http://localhost:3000" } });
  expect(listed.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
  const none = await fetch(few.base);
  expect({ cors: corsHeaders(none.headers), vary: none.headers.get("vary") }).toEqual({
    cors: [],
    vary: "Origin",
  });
});

/** What a browser sends along, which `fetch` does not let anybody write. */
function crossSite(headers: Record<string, string> = {}, method = "POST"): RequestInit {
  return { method, headers: { "sec-fetch-site": "cross-site", ...headers } };
}

test("a page of another site starts nothing, but where it is listed or has a key", async () => {
  const listed = { origin: "https://app.example" };
  const other = { origin: "https://evil.example" };
  for (const [api, headers, method, status] of [
    [few, other, "POST", 403],
    [few, other, "DELETE", 403],
    [few, {}, "POST", 403],
    [few, other, "GET", 200],
    [few, listed, "POST", 200],
    [few, listed, "DELETE", 405],
    // Any is nobody in particular.
    [star, listed, "POST", 403],
    [any, other, "POST", 401],
    [any, { ...other, authorization: "Bearer secret" }, "POST", 200],
    [any, { ...other, "x-api-key": "secret" }, "DELETE", 405],
  ] as const) {
    const answer = await fetch(`${api.base}/greet`, crossSite(headers, method));
    expect(answer.status, JSON.stringify([headers, method])).toBe(status);
  }
});
