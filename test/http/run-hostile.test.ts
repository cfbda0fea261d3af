import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requestFor, sendCut, serveRunApi, type RunApi } from "../_support/run-api.ts";

let api: RunApi;

beforeAll(async () => {
  api = await serveRunApi();
});

afterAll(() => api.close());

const valid = requestFor();

test.each(["", "/runs", "/runs/x/checkpoints", "/greet"])(
  "a body that is cut off is nobody's failure: POST %s",
  async (path) => {
    const failed = vi.spyOn(console, "error");
    await sendCut(api.base, path);
    await api.send("/runs");
    expect(failed).not.toHaveBeenCalled();
    failed.mockRestore();
  },
);

describe("hostile bodies", () => {
  const bodies: [string, string, number, string, RegExp][] = [
    ["no JSON", "{", 400, "BAD_REQUEST", /^The body is not valid JSON/],
    ["an empty body", "", 400, "BAD_REQUEST", /^runners is required/],
    ["a list", "[]", 400, "BAD_REQUEST", /^The body must be a JSON object/],
    ["null", "null", 400, "BAD_REQUEST", /^The body must be a JSON object/],
    [
      "a __proto__ key",
      '{"__proto__":{"runners":[]}}',
      400,
      "BAD_REQUEST",
      /^The key "__proto__" is not allowed/,
    ],
    [
      "a __proto__ key in an input",
      '{"mode":"local","runners":[{"name":"a","input":{"\\u005f_proto__":1}}]}',
      400,
      "BAD_REQUEST",
      /^The key "__proto__"/,
    ],
    [
      "deep JSON",
      `{"runners":${"[".repeat(5000)}${"]".repeat(5000)}}`,
      400,
      "BAD_REQUEST",
      /nested deeper than 100/,
    ],
    [
      "more than 1 MiB",
      JSON.stringify({ tags: "x".repeat(1024 * 1024) }),
      413,
      "PAYLOAD_TOO_LARGE",
      /larger than 1048576 bytes/,
    ],
    [
      "half a million runners",
      `{"runners":[${"0,".repeat(500_000)}0]}`,
      400,
      "BAD_REQUEST",
      /^runners must have at most 20000 entries \(got 500001\)/,
    ],
    [
      "half a million regions of one runner",
      `{"runners":[{"name":"a","regions":[${"0,".repeat(500_000)}0]}]}`,
      400,
      "BAD_REQUEST",
      /^runners\[0\]\.regions/,
    ],
    [
      "a hundred thousand fields",
      `{${Array.from({ length: 90_000 }, (_, n) => `"f${n}":1`).join(",")}}`,
      400,
      "BAD_REQUEST",
      /^f0 is not expected/,
    ],
    [
      "a field as long as the body",
      `{"${"x".repeat(1_000_000)}":1}`,
      400,
      "BAD_REQUEST",
      /^x{100}… is not expected$/,
    ],
  ];

  test.each(bodies)("%s", async (_what, text, status, code, message) => {
    const before = performance.now();
    const answer = await api.send("", text);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ defined: false, code, status });
    expect(answer.body.message).toMatch(message);
    expect(answer.body.data.issues.length).toBeLessThanOrEqual(20);
    expect(JSON.stringify(answer.body).length).toBeLessThan(10_000);
    expect(performance.now() - before).toBeLessThan(3000);
    expect({}).not.toHaveProperty("runners");
    expect(api.started()).toBe(0);
  });

  test("another content type is 415, a page of another site 403", async () => {
    const typed = { headers: { "content-type": "text/plain" } };
    expect((await api.send("/run", JSON.stringify(valid), typed)).body).toMatchObject({
      code: "UNSUPPORTED_MEDIA_TYPE",
      status: 415,
    });
    const foreign = { headers: { "sec-fetch-site": "cross-site" } };
    for (const path of ["", "/run", "/orchestrator", "/plan"]) {
      expect((await api.send(path, valid, foreign)).status).toBe(403);
    }
    expect(api.started()).toBe(0);
  });
});
