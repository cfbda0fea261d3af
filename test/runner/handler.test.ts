import { expect, test } from "vitest";
import { createRunnerHandler } from "../../src/runner/index.ts";
import type { RunnerHandlerOptions } from "../../src/runner/index.ts";
import { serve } from "./_support/serve.ts";

const pass = async () => ({ status: "pass" });

test("info lists the runners, their count, the region and how to call them", async () => {
  const { base } = await serve({ region: "eu", runners: { a: pass, b: pass, c: pass } });
  const response = await fetch(`${base}/info`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  expect(await response.json()).toEqual({
    runners: ["a", "b", "c"],
    count: 3,
    region: "eu",
    usage: {
      method: "POST",
      endpoint: "/api/runner/execute",
      example: { url: "https://example.com", runners: ["a", "b"] },
    },
  });
});

test("info has no region where the server has none", async () => {
  const { base } = await serve({ runners: { a: pass } });
  expect(await (await fetch(`${base}/info`)).json()).not.toHaveProperty("region");
});

test("only function exports are runners, and schemas beside them are not", async () => {
  const callable = Object.assign(() => {}, {
    "~standard": { version: 1, vendor: "x", validate: (value: unknown) => ({ value }) },
  });
  const { base } = await serve({
    runners: { a: pass, aInputSchema: callable, limit: 3, names: ["x"], nothing: undefined },
  });
  expect((await (await fetch(`${base}/info`)).json()).runners).toEqual(["a"]);
});

test.each(["/", "", "/x/y/"])("base %j moves every route", async (base) => {
  const served = await serve({ base, runners: { a: pass } });
  expect((await fetch(`${served.base}/info`)).status).toBe(200);
  expect((await served.execute({ runners: ["a"] })).status).toBe(200);
  const info = await (await fetch(`${served.base}/info`)).json();
  expect(info.usage.endpoint).toBe(`${base.replace(/\/$/, "")}/execute`);
});

test("a trailing slash is tolerated on every route", async () => {
  const { base } = await serve({ runners: { a: pass } });
  for (const path of ["info", "spec.json", "docs"]) {
    expect((await fetch(`${base}/${path}/`)).status, path).toBe(200);
  }
});

test.each([
  "/",
  "/api/runner",
  "/api/runner/",
  "/api/runner/nope",
  "/api/runner/execute/x",
  "/api/runnerx/info",
  "/info",
  "/api/runner/constructor",
])("%s is a 404 in JSON", async (path) => {
  const { origin } = await serve({ runners: { a: pass } });
  const response = await fetch(origin + path);
  expect(response.status).toBe(404);
  expect(await response.json()).toEqual({
    defined: false,
    code: "NOT_FOUND",
    status: 404,
    message: "Not found",
    data: { path },
  });
});

test.each([
  ["GET", "execute", "POST"],
  ["OPTIONS", "execute", "POST"],
  ["POST", "info", "GET, HEAD"],
  ["PUT", "spec.json", "GET, HEAD"],
  ["DELETE", "docs", "GET, HEAD"],
])("%s %s is a 405 that allows %s", async (method, path, allow) => {
  const { base } = await serve({ runners: { a: pass } });
  const response = await fetch(`${base}/${path}`, { method });
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe(allow);
  expect(await response.json()).toMatchObject({ code: "METHOD_NOT_ALLOWED", status: 405 });
});

test("HEAD is answered like GET, without the body", async () => {
  const { base, handler } = await serve({ runners: { a: pass } });
  const response = await fetch(`${base}/info`, { method: "HEAD" });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  const direct = await handler(new Request(`${base}/info`, { method: "HEAD" }));
  expect(await direct.text()).toBe("");
});

test.each([
  [undefined, "options"],
  [{}, "options.runners"],
  [{ runners: [] }, "options.runners"],
  [{ runners: { a: pass, aSchema: { type: "object" } } }, "options.runners.aSchema"],
  [{ runners: {}, region: "" }, "options.region"],
  [{ runners: {}, region: 3 }, "options.region"],
  [{ runners: {}, base: "api" }, "options.base"],
  [{ runners: {}, base: "/a?b" }, "options.base"],
  [{ runners: {}, timeout: 0 }, "options.timeout"],
  [{ runners: {}, timeout: 2 ** 31 }, "options.timeout"],
  [{ runners: {}, timeout: "30" }, "options.timeout"],
  [{ runners: {}, bodyLimit: -1 }, "options.bodyLimit"],
  [{ runners: {}, now: 5 }, "options.now"],
])("bad options %j are refused at creation with the field's name", (options, field) => {
  const create = () => createRunnerHandler(options as unknown as RunnerHandlerOptions);
  expect(create).toThrow(TypeError);
  expect(create).toThrow(new RegExp(`^createRunnerHandler: ${field.replaceAll(".", "\\.")} must`));
});
