import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Browser, BrowserContext } from "playwright-core";
import { closeBrowser, runRunners, withPlaywright } from "../../src/runner/index.ts";
import type { RunnerContext, RunnerResult } from "../../src/runner/index.ts";
import { serve } from "./_support/serve.ts";

// Unpacking the browser takes a while on a cold machine.
vi.setConfig({ testTimeout: 60_000 });

const site = createServer((request, response) => {
  response.setHeader("content-type", "text/html");
  response.setHeader("set-cookie", "seen=1");
  if (request.url === "/hangs") return;
  response.end(`<title>Hello</title><p>${request.headers.cookie ?? "no cookie"}</p>`);
});
let url: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
});

afterAll(async () => {
  await closeBrowser();
  site.closeAllConnections();
  site.close();
});

async function resultOf(run: unknown, timeout = 30_000): Promise<RunnerResult> {
  const reply = await runRunners({ runners: ["check"] }, { runners: { check: run }, timeout });
  return reply.results[0]!;
}

test("a runner gets a page that is at the url, and its own context besides", async () => {
  const { execute } = await serve({
    region: "eu",
    runners: {
      checkTitle: async (ctx: RunnerContext, input: { url: string }) => {
        const { page, region, browser, context, url, log } = await withPlaywright(ctx, input.url);
        const same = page.context() === context && context.browser() === browser;
        const details = { title: await page.title(), region, same, url, log: typeof log };
        return { status: "pass", details };
      },
    },
  });
  const { results } = await (await execute({ url, runners: ["checkTitle"] })).json();
  expect(results[0].details).toEqual({
    title: "Hello",
    region: "eu",
    same: true,
    url,
    log: "function",
  });
});

test("concurrent first calls share one launch, and each has a context of its own", async () => {
  await closeBrowser();
  const opened = await Promise.all([1, 2, 3].map(() => withPlaywright({}, url)));
  expect(new Set(opened.map(({ browser }) => browser)).size).toBe(1);
  expect(new Set(opened.map(({ context }) => context)).size).toBe(3);
  await opened[0]!.page.reload();
  expect(await opened[0]!.page.textContent("p")).toBe("seen=1");
  await opened[1]!.context.newPage();
  const fresh = await withPlaywright({}, url);
  expect(await fresh.page.textContent("p")).toBe("no cookie");
  await Promise.all([...opened, fresh].map(({ close }) => close()));
  expect(fresh.browser.isConnected()).toBe(true);
  expect(fresh.browser.contexts()).toEqual([]);
});

test.each([
  ["passes", async () => ({ status: "pass" }), "pass"],
  ["throws", () => Promise.reject(new Error("x")), "error"],
])("the context is closed when the runner %s", async (_how, end, status) => {
  let context!: BrowserContext;
  const result = await resultOf(async (ctx: RunnerContext) => {
    ({ context } = await withPlaywright(ctx, url));
    return end();
  });
  expect(result.status).toBe(status);
  await expect(context.newPage()).rejects.toThrow(/closed/);
});

test("the context is closed when the runner times out, also in the middle of its navigation", async () => {
  const { browser, close } = await withPlaywright({}, url);
  await close();
  const result = await resultOf((ctx: RunnerContext) => withPlaywright(ctx, `${url}hangs`), 300);
  expect(result.errorMessage).toMatch(/timed out after 300 ms/);
  expect(browser.contexts()).toEqual([]);
});

test("a failed navigation is the runner's error and leaves no context behind", async () => {
  const { browser, close } = await withPlaywright({}, url);
  await close();
  const result = await resultOf((ctx: RunnerContext) => withPlaywright(ctx, "http://127.0.0.1:1/"));
  expect(result.status).toBe("error");
  expect(result.errorMessage).toMatch(/ERR_/);
  await expect(withPlaywright({}, "http://127.0.0.1:1/")).rejects.toThrow(/ERR_/);
  expect(browser.contexts()).toEqual([]);
});

test("a browser that was closed or crashed is launched anew", async () => {
  const first = await withPlaywright({}, url);
  await first.browser.close();
  const second = await withPlaywright({}, url);
  expect(second.browser).not.toBe(first.browser);
  expect(await second.page.title()).toBe("Hello");
  await second.close();
});

test.each([
  ["before it is used", { isConnected: (): boolean => false }],
  ["as it is used", dyingBrowser()],
])("a browser whose end nobody reported, %s, is replaced", async (_when, dead) => {
  await closeBrowser();
  const slot = Symbol.for("@runners/orchestrator/browsers");
  const browsers = Reflect.get(globalThis, slot) as Map<string, unknown>;
  browsers.set("", Promise.resolve(dead));
  const { page, close } = await withPlaywright({}, url);
  expect(await page.title()).toBe("Hello");
  await close();
});

/** A browser that is found dead only when a context is asked of it. */
function dyingBrowser() {
  let alive = true;
  return {
    isConnected: (): boolean => alive,
    newContext: async (): Promise<never> => {
      alive = false;
      throw new Error("Target page, context or browser has been closed");
    },
  };
}

test("closeBrowser closes the browser, and drain does", async () => {
  const launch = async (): Promise<Browser> => {
    const { browser, close } = await withPlaywright({}, url);
    await close();
    return browser;
  };
  const first = await launch();
  await closeBrowser();
  expect(first.isConnected()).toBe(false);
  const second = await launch();
  const { handler } = await serve({ runners: {} });
  await handler.drain();
  expect(second.isConnected()).toBe(false);
});

test("two copies of the package share the browser", async () => {
  const slot = Symbol.for("@runners/orchestrator/browsers");
  const { browser, close } = await withPlaywright({}, url);
  await close();
  vi.resetModules();
  const copy = await import("../../src/runner/index.ts");
  expect(copy.withPlaywright).not.toBe(withPlaywright);
  const other = await copy.withPlaywright({}, url);
  await other.close();
  expect(other.browser).toBe(browser);
  expect(slot in globalThis).toBe(true);
});

test.each(["file:///etc/passwd", "chrome://version", "javascript:1", "/relative", ""])(
  "%j is no url to open",
  async (bad) => {
    await expect(withPlaywright({}, bad)).rejects.toThrow(
      /^withPlaywright: url must be an absolute http\(s\), data or about URL/,
    );
  },
);

test("an executable that is named but missing is an error that says who named it", async () => {
  const options = { executablePath: "/no/such/chrome" };
  await expect(withPlaywright({}, url, options)).rejects.toThrow(
    'withPlaywright: options.executablePath is "/no/such/chrome", and there is no such file',
  );
  await closeBrowser();
  vi.stubEnv("PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH", "/no/such/browser");
  await expect(withPlaywright({}, url)).rejects.toThrow(
    'withPlaywright: PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH is "/no/such/browser"',
  );
  vi.unstubAllEnvs();
  // A failed launch is not remembered.
  await (await withPlaywright({}, url)).close();
});

test("a runner whose time is up launches no browser", async () => {
  await closeBrowser();
  const signal = AbortSignal.abort(new Error("over"));
  await expect(withPlaywright({ signal }, url)).rejects.toThrow("over");
  const browsers = Reflect.get(globalThis, Symbol.for("@runners/orchestrator/browsers"));
  expect((browsers as Map<string, unknown>).size).toBe(0);
});
