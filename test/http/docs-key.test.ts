import { afterAll, expect, test, vi } from "vitest";
import { createGuard } from "../../src/http/guard/guard.ts";
import { closeBrowser } from "../../src/runner/index.ts";
import { contrast, openDocs } from "../_support/docs-page.ts";
import { serveDocumentedApi } from "../_support/documented-api.ts";

vi.setConfig({ testTimeout: 60_000 });

const guard = createGuard({
  keys: [
    { name: "all", key: "the-right-key", scopes: ["admin"] },
    { name: "starter", key: "may-not-read", scopes: ["run"] },
  ],
});
const api = await serveDocumentedApi("/api/orchestrator", "", guard);
const docs = `${api.base}/docs`;

afterAll(async () => {
  await closeBrowser();
  await api.close();
});

test("who has no key gets the page as HTML with 401, and whoever is no browser an error", async () => {
  const page = await fetch(docs, { headers: { accept: "text/html,application/xhtml+xml" } });
  expect(page.status).toBe(401);
  expect(page.headers.get("www-authenticate")).toBe("Bearer");
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'none'/);
  expect(await page.text()).toMatch(/^<!doctype html>/);
  const others: Record<string, string>[] = [
    { accept: "application/json" },
    { accept: "text/html", "x-api-key": "wrong" },
  ];
  for (const headers of others) {
    const refused = await fetch(docs, { headers });
    expect({ status: refused.status, body: await refused.json() }).toEqual({
      status: 401,
      body: { error: "unauthorized" },
    });
  }
  const elsewhere = await fetch(`${api.base}/spec.json`, { headers: { accept: "text/html" } });
  expect(elsewhere.headers.get("content-type")).toBe("application/json");
});

test("the page asks for a key, keeps it in the tab, and sends it with every request", async () => {
  const { page, problems, close } = await openDocs(docs);
  const sent: (string | undefined)[] = [];
  page.on("request", (request) => sent.push(request.headers().authorization));

  expect(await page.evaluate(() => document.activeElement?.id)).toBe("api-key");
  await page.fill("#api-key", "the key of another");
  await page.keyboard.press("Enter");
  expect(await page.innerText(".refused")).toContain("visible ASCII characters");
  for (const [key, why] of [
    ["wrong", "This key is not taken."],
    ["may-not-read", "This key may not read."],
  ] as const) {
    await page.fill("#api-key", key);
    await page.keyboard.press("Enter");
    await page.waitForFunction(
      (why) => document.querySelector(".refused")?.textContent === why,
      why,
    );
  }
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);

  await page.fill("#api-key", "the-right-key");
  await page.click(".ask .send");
  await page.waitForSelector("#try");
  await page.click("#send");
  await page.waitForSelector("#status");
  expect(await page.innerText("#status")).toBe("200");
  expect(api.started()).toBe(1);
  const wrong = ["Bearer wrong", "Bearer may-not-read"];
  expect(sent).toEqual([...wrong, "Bearer the-right-key", "Bearer the-right-key"]);
  expect(await page.innerText("#try")).not.toContain("the-right-key");

  // As a link it would carry no key.
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.click('.facts a[download="spec.json"]'),
  ]);
  expect(download.suggestedFilename()).toBe("spec.json");

  await page.reload();
  await page.waitForSelector("#try");
  await page.click("#forget-key");
  await page.waitForSelector("#api-key");
  await page.reload();
  await page.waitForSelector("#api-key");
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  // The browser notes what is refused, and nothing else went wrong.
  expect(problems.filter((problem) => !/status of 40[13]/.test(problem))).toEqual([]);
  await close();
});

test("the form fits a telephone, and its text is legible in both schemes", async () => {
  for (const colorScheme of ["light", "dark"] as const) {
    const viewport = { width: 360, height: 740 };
    const { page, close } = await openDocs(docs, { colorScheme, viewport });
    await page.fill("#api-key", "ä");
    await page.keyboard.press("Enter");
    const { wide, text, under } = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return {
        wide: scrollWidth - clientWidth,
        text: getComputedStyle(document.querySelector(".refused")!).color,
        under: getComputedStyle(document.querySelector(".ask form")!).backgroundColor,
      };
    });
    expect(wide, colorScheme).toBe(0);
    expect(contrast(text, under), colorScheme).toBeGreaterThan(4.5);
    await close();
  }
});

test("where no key is needed, the page neither asks for one nor tells of any", async () => {
  const open = await serveDocumentedApi();
  const { page, close } = await openDocs(`${open.base}/docs`);
  await page.waitForSelector("#try");
  expect(await page.locator("#forget-key, #api-key").count()).toBe(0);
  await close();
  await open.close();
});
