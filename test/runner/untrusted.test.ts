import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { closeBrowser, withPlaywright } from "../../src/runner/index.ts";
import { serve } from "./_support/serve.ts";

/** Runners that note their calls. */
function noted() {
  const calls: string[] = [];
  return { calls, a: async () => (calls.push("a"), { status: "pass" }) };
}

test.each<Record<string, string>>([{}, { "idempotency-key": "k" }])(
  "a body nested too deep is a 400 that says so, with headers %j",
  async (headers) => {
    const { base } = await serve({ runners: noted() });
    const deep = (levels: number) =>
      fetch(`${base}/execute`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: `{"runners":["a"],"input":{"x":${"[".repeat(levels)}${"]".repeat(levels)}}}`,
      });
    expect((await deep(98)).status).toBe(200);
    for (const levels of [99, 400_000]) {
      const response = await deep(levels);
      expect(response.status).toBe(400);
      const { code, data } = await response.json();
      expect(code).toBe("BAD_REQUEST");
      expect(data.issues).toEqual([
        { path: [], message: "The body is nested deeper than 100 levels", code: "too_deep" },
      ]);
    }
  },
);

test("a body with a __proto__ key is a 400 that names the field", async () => {
  const { calls, ...runners } = noted();
  const { base } = await serve({ runners });
  const response = await fetch(`${base}/execute`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"runners":[{"name":"a","input":{"__proto__":{"url":"x"}}}]}',
  });
  expect(response.status).toBe(400);
  expect((await response.json()).data.issues[0]).toMatchObject({
    path: ["runners", 0, "input", "__proto__"],
    code: "forbidden_key",
  });
  expect(calls).toEqual([]);
});

test("1,000 runners are executed, and more are a 400 that names the field once", async () => {
  const { calls, ...runners } = noted();
  const { execute } = await serve({ runners });
  expect((await execute({ runners: Array(1000).fill("a") })).status).toBe(200);
  expect(calls).toHaveLength(1000);
  for (const entry of ["a", 7]) {
    const response = await execute({ runners: Array(1001).fill(entry) });
    expect(response.status).toBe(400);
    const { data } = await response.json();
    expect(data.issues).toMatchObject([{ path: ["runners"], code: "too_big" }]);
  }
  expect(calls).toHaveLength(1000);
});

test("a request for a page of another site is a 403, and executes nothing", async () => {
  const { calls, ...runners } = noted();
  const { execute } = await serve({ runners });
  const site = (value: string) => execute({ runners: ["a"] }, { "sec-fetch-site": value });
  const response = await site("cross-site");
  expect(response.status).toBe(403);
  expect(await response.json()).toEqual({
    defined: false,
    code: "FORBIDDEN",
    status: 403,
    message: "Pages of other sites may not start runners",
  });
  expect(calls).toEqual([]);
  for (const own of ["same-origin", "same-site", "none"]) {
    expect((await site(own)).status, own).toBe(200);
  }
});

test("a body without a Content-Type is a 400, and executes nothing", async () => {
  const { calls, ...runners } = noted();
  const { base } = await serve({ runners });
  // What a page of another origin can send without a preflight, and has no type.
  const body = new Blob(['{"runners":["a"]}']);
  const response = await fetch(`${base}/execute`, { method: "POST", body });
  expect(response.status).toBe(400);
  expect((await response.json()).message).toMatch(/^Malformed request/);
  expect(calls).toEqual([]);
});

test("a page of another origin in a real browser cannot start a runner", async () => {
  const { calls, ...runners } = noted();
  const { base } = await serve({ runners });
  const other = createServer((_request, response) => {
    response.setHeader("content-type", "text/html").end("<title>Other</title>");
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  try {
    // By another name than 127.0.0.1, so that it is another site too.
    const { page, close } = await withPlaywright({}, `http://localhost:${port}/`);
    await page.evaluate(async (url) => {
      const body = '{"runners":["a"]}';
      const json = { "content-type": "application/json" };
      for (const init of [
        { body: new Blob([body]), mode: "no-cors" as const },
        { body, mode: "no-cors" as const },
        { body, headers: json },
      ]) {
        await fetch(url, { method: "POST", ...init }).catch(() => undefined);
      }
    }, `${base}/execute`);
    await close();
  } finally {
    await closeBrowser();
    other.close();
  }
  expect(calls).toEqual([]);
});
