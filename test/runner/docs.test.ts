import { afterAll, expect, test, vi } from "vitest";
import * as z from "zod";
import { closeBrowser } from "../../src/runner/index.ts";
import { contrast, luminance, openDocs } from "../_support/docs-page.ts";
import { serve } from "./_support/serve.ts";

vi.setConfig({ testTimeout: 60_000 });

afterAll(closeBrowser);

const runners = {
  checkTitle: async (_ctx: unknown, input: object) => ({ status: "pass", details: { ...input } }),
  checkTitleInputSchema: z.object({ url: z.url().meta({ description: "Page to <b>open</b>." }) }),
  broken: async () => {
    throw new Error("no luck");
  },
};

test("docs is HTML that allows itself nothing from elsewhere", async () => {
  const { base } = await serve({ runners });
  const response = await fetch(`${base}/docs`);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'none'/);
  expect(await response.text()).not.toMatch(/(src|href)="?https?:/);
});

test.each(["/docs", "/docs/"])("%s renders the spec without any outside request", async (path) => {
  const { page, problems, close } = await openDocs(
    (await serve({ region: "eu", runners })).base + path,
  );
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
  const { page, problems, close } = await openDocs(`${(await serve({ runners })).base}/docs`);
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
  const { page, close } = await openDocs(`${(await serve({ runners })).base}/docs`);
  await page.click('.chip >> text="broken"');
  expect(JSON.parse(await page.inputValue("#body")).runners).toEqual(["checkTitle"]);
  await page.click('.chip >> text="checkTitle"');
  await page.click('.chip >> text="broken"');
  expect(JSON.parse(await page.inputValue("#body")).runners).toEqual(["broken"]);
  expect(await page.getAttribute('.chip >> text="broken"', "aria-pressed")).toBe("true");
  await close();
});

test("an error reply is shown with its status", async () => {
  const { page, close } = await openDocs(`${(await serve({ runners })).base}/docs`);
  await page.fill("#body", "{");
  await page.click("#send");
  await page.waitForSelector("#status");
  expect(await page.innerText("#status")).toBe("400");
  expect(await page.innerText("#reply pre")).toContain("Malformed request");
  await close();
});

test("the page follows the colour scheme, and its text is legible in both", async () => {
  const { base } = await serve({ runners });
  for (const scheme of ["light", "dark"] as const) {
    const { page, close } = await openDocs(`${base}/docs`, { colorScheme: scheme });
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
  const { page, problems, close } = await openDocs(`${base}/docs`);
  await page.click("#send");
  await page.waitForSelector("#status");
  expect(await page.innerText("#status")).toBe("200");
  expect(problems).toEqual([]);
  await close();
  await proxy.close(true);
});
