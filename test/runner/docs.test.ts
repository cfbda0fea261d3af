import { afterAll, expect, test, vi } from "vitest";
import * as z from "zod";
import { closeBrowser, withPlaywright } from "../../src/runner/index.ts";
import { serve } from "./_support/serve.ts";
import type { Served } from "./_support/serve.ts";

vi.setConfig({ testTimeout: 60_000 });

afterAll(closeBrowser);

const runners = {
  checkTitle: async (_ctx: unknown, input: object) => ({ status: "pass", details: { ...input } }),
  checkTitleInputSchema: z.object({ url: z.url().meta({ description: "Page to <b>open</b>." }) }),
  broken: async () => {
    throw new Error("no luck");
  },
};

/** The page, rendered where nothing but loopback can be reached, and what went wrong on it. */
async function open({ base }: Served, path: string, colorScheme: "dark" | "light" = "light") {
  const opened = await withPlaywright({}, "about:blank", { context: { colorScheme } });
  const { page, context, close } = opened;
  const problems: string[] = [];
  await context.route(/^(?!http:\/\/127\.0\.0\.1:)/, (route) => {
    problems.push(`request to ${route.request().url()}`);
    return route.abort();
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(base + path);
  await page.waitForSelector("main");
  return { page, problems, close };
}

test("docs is HTML that allows itself nothing from elsewhere", async () => {
  const { base } = await serve({ runners });
  const response = await fetch(`${base}/docs`);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'none'/);
  expect(await response.text()).not.toMatch(/(src|href)="?https?:/);
});

test.each(["/docs", "/docs/"])("%s renders the spec without any outside request", async (path) => {
  const { page, problems, close } = await open(await serve({ region: "eu", runners }), path);
  const text = await page.innerText("main");
  for (const piece of ["Runners HTTP API", "eu", "checkTitle", "broken", "/api/runner/execute"]) {
    expect(text).toContain(piece);
  }
  expect(text).toContain("Page to <b>open</b>.");
  expect(await page.locator("article").count()).toBe(6);
  expect(problems).toEqual([]);
  await close();
});

test("a request sent from the page shows the results", async () => {
  const { page, problems, close } = await open(await serve({ runners }), "/docs");
  await page.click("#send");
  await page.waitForSelector("#status");
  expect(await page.innerText("#status")).toBe("200");
  const results = await page.locator(".results li").allInnerTexts();
  expect(results[0]).toMatch(/pass\s+checkTitle/);
  expect(results[1]).toMatch(/error\s+broken[\s\S]*no luck/);
  expect(await page.innerText("#reply pre")).toContain('"url": "https://example.com"');
  expect(problems).toEqual([]);
  await close();
});

test("the chips put runners into the body and take them out", async () => {
  const { page, close } = await open(await serve({ runners }), "/docs");
  await page.click('.chip >> text="broken"');
  expect(JSON.parse(await page.inputValue("#body")).runners).toEqual(["checkTitle"]);
  await page.click('.chip >> text="checkTitle"');
  await page.click('.chip >> text="broken"');
  expect(JSON.parse(await page.inputValue("#body")).runners).toEqual(["broken"]);
  expect(await page.getAttribute('.chip >> text="broken"', "aria-pressed")).toBe("true");
  await close();
});

test("an error reply is shown with its status", async () => {
  const { page, close } = await open(await serve({ runners }), "/docs");
  await page.fill("#body", "{");
  await page.click("#send");
  await page.waitForSelector("#status");
  expect(await page.innerText("#status")).toBe("400");
  expect(await page.innerText("#reply pre")).toContain("Malformed request");
  await close();
});

test("the page follows the colour scheme, and its text is legible in both", async () => {
  const served = await serve({ runners });
  for (const scheme of ["light", "dark"] as const) {
    const { page, close } = await open(served, "/docs", scheme);
    const [text, background] = await page.evaluate(() => {
      const style = getComputedStyle(document.body);
      return [style.color, style.backgroundColor];
    });
    expect(contrast(text!, background!), scheme).toBeGreaterThan(7);
    expect(luminance(background!) < 0.5).toBe(scheme === "dark");
    await close();
  }
});

test("the page works below another path, as behind a proxy that strips a prefix", async () => {
  const { handler } = await serve({ runners });
  const { serve: serveNode } = await import("srvx/node");
  const proxy = serveNode({
    port: 0,
    hostname: "127.0.0.1",
    silent: true,
    gracefulShutdown: false,
    fetch: (request) => {
      if (!request.url.includes("/prefix/")) return new Response(null, { status: 404 });
      const url = request.url.replace("/prefix", "");
      const { method, headers, body } = request;
      return handler(new Request(url, { method, headers, body, duplex: "half" } as RequestInit));
    },
  });
  await proxy.ready();
  const base = `${new URL(proxy.url!).origin}/prefix/api/runner`;
  const { page, problems, close } = await open({ base } as Served, "/docs");
  await page.click("#send");
  await page.waitForSelector("#status");
  expect(await page.innerText("#status")).toBe("200");
  expect(problems).toEqual([]);
  await close();
  await proxy.close(true);
});

function luminance(color: string): number {
  const [r, g, b] = color.match(/\d+/g)!.map((part) => {
    const value = Number(part) / 255;
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high! + 0.05) / (low! + 0.05);
}
