import type { Page } from "playwright-core";
import { afterAll, expect, test, vi } from "vitest";
import { closeBrowser } from "../../src/runner/index.ts";
import { contrast, openDocs } from "../_support/docs-page.ts";
import { serveDocumentedApi } from "../_support/documented-api.ts";

vi.setConfig({ testTimeout: 60_000 });

const api = await serveDocumentedApi();
const document: any = await (await fetch(`${api.base}/spec.json`)).json();

afterAll(async () => {
  await closeBrowser();
  await api.close();
});

/** Opens all operations, and all that folds open within them, which is filled after it has been opened. */
async function openEverything(page: Page): Promise<void> {
  const shut = "details:not([open])";
  await page.click("#open-all");
  for (let round = 0; round < 10; round++) {
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50)));
    if ((await page.locator(shut).count()) === 0) return;
    await page.$$eval(shut, (all) => all.forEach((one) => one.setAttribute("open", "")));
  }
}

/** The page, with all that is asked for from it. */
async function open(path = "/docs", context?: Parameters<typeof openDocs>[1]) {
  const opened = await openDocs(api.base + path, context);
  const asked: string[] = [];
  opened.page.on("request", (request) => {
    asked.push(`${request.method()} ${new URL(request.url()).pathname}`);
  });
  return { ...opened, asked };
}

test("docs is HTML that allows itself nothing from elsewhere, also to HEAD", async () => {
  const response = await fetch(`${api.base}/docs`);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  const policy = response.headers.get("content-security-policy")!;
  expect(policy).toMatch(/^default-src 'none'; img-src data:; connect-src 'self';/);
  expect(policy).not.toContain("unsafe");
  expect(await response.text()).not.toMatch(/(src|href)="?https?:/);
  const nonce = /script-src 'nonce-([^']+)'/.exec(policy)![1]!;
  // Not over the network, which takes a body off by itself.
  const again = await api.handler(new Request(`${api.base}/docs`, { method: "HEAD" }));
  expect(await again.text()).toBe("");
  expect(again.headers.get("content-security-policy")).not.toContain(nonce);
});

test.each(["/docs", "/docs/"])("%s renders every operation without the network", async (path) => {
  const { page, problems, close } = await open(path);
  await openEverything(page);
  const text = await page.innerText("main");
  for (const [place, item] of Object.entries<any>(document.paths)) {
    for (const [method, { operationId, summary }] of Object.entries<any>(item)) {
      const shown = await page.innerText(`article[id="${operationId}"] > details > summary`);
      expect(shown).toContain(method.toUpperCase());
      expect(shown).toContain(place);
      expect(shown).toContain(summary);
    }
  }
  expect(text).toContain("The <b>day</b> to report.");
  // Of an event stream, whose frames the document describes.
  expect(text).toContain("Later than that of the run's checkpoint before.");
  // Of an answer's job, three levels down.
  expect(text).toContain("1 for the first try.");
  for (const status of ["202", "409", "501"]) expect(text).toContain(status);
  expect(problems).toEqual([]);
  await close();
});

test("a run is submitted from the page, and what is asked for next has its id", async () => {
  const { page, problems, asked, close } = await open();
  await page.click("#getRunStatus summary");
  await page.click("#send");
  await page.waitForSelector("#status");
  expect(await page.innerText("#status")).toBe("200");
  const { runId } = JSON.parse(await page.innerText("#reply pre"));
  expect(await api.runs.status(runId)).toMatchObject({ state: "queued", totalJobs: 2 });
  expect(await page.innerText("#reply dl")).toContain(`/api/orchestrator/${runId}`);

  api.finish(runId, "cancelled");
  expect(await page.inputValue("#getRunStatus-param-id")).toBe(runId);
  await page.click("#getRunResults summary");
  expect(await page.inputValue("#getRunResults-param-id")).toBe(runId);
  await page.click("#getRunResults-send");
  await page.waitForSelector("#getRunResults-status");
  expect(await page.innerText("#getRunResults-reply .results")).toMatch(
    /cancelled\s+us-east-1 https:\/\/example\.com/,
  );
  expect(asked).toEqual(["POST /api/orchestrator", `GET /api/orchestrator/${runId}`]);
  expect(problems).toEqual([]);
  await close();
});

test("an example is picked and planned, with parameters, by keyboard alone", async () => {
  const { page, problems, asked, close } = await open("/docs#planRun");
  await page.waitForSelector("#planRun-body");
  await page.focus("#planRun-example");
  // By its first letters, as a list is picked from.
  await page.keyboard.type("in this");
  expect(JSON.parse(await page.inputValue("#planRun-body")).mode).toBe("local");
  await page.focus("#planRun-body");
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector("#planRun-status");
  expect(await page.innerText("#planRun-reply pre")).toContain('"totalJobs": 1');

  await page.focus("#listRuns summary");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#listRuns-param-limit");
  await page.focus("#listRuns-param-limit");
  await page.keyboard.type("1000");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#listRuns-status");
  expect(await page.innerText("#listRuns-status")).toBe("400");
  expect(await page.innerText("#listRuns-reply")).toContain("limit must be a whole number");
  expect(asked).toEqual(["POST /api/orchestrator/plan", "GET /api/orchestrator/runs"]);
  // The browser itself notes an answer of 400.
  expect(problems).toEqual([expect.stringContaining("status of 400")]);
  await close();
});

test("the chips put this process's runners into the request like the one that is there", async () => {
  const { page, close } = await open();
  await page.selectOption("#example", "inThisProcess");
  await page.locator("#try .chip", { hasText: "checkLinks" }).click();
  const { runners } = JSON.parse(await page.inputValue("#body"));
  const input = { url: "https://example.com" };
  expect(runners).toEqual([
    { name: "checkTitle", input },
    { name: "checkLinks", input },
  ]);
  await close();
});

test("a text answer is shown as it is, and a request that takes long can be stopped", async () => {
  const { page, problems, close } = await open("/docs#getDocs");
  await page.click("#getDocs-send");
  await page.waitForSelector("#getDocs-status");
  expect(await page.innerText("#getDocs-reply pre")).toMatch(/^<!doctype html>/);

  const runId = (await (await fetch(`${api.base}/run`, submission)).json()).runId as string;
  await page.click("#getRunStatus summary");
  await page.fill("#getRunStatus-param-id", runId);
  await page.fill("#getRunStatus-param-wait", "30");
  await page.click("#getRunStatus-send");
  expect(await page.innerText("#getRunStatus-send")).toBe("Stop");
  await page.click("#getRunStatus-send");
  await page.waitForSelector("#getRunStatus-status");
  expect(await page.innerText("#getRunStatus-reply")).toContain("Stopped before");
  expect(await page.innerText("#getRunStatus-send")).toBe("Send");
  api.finish(runId, "cancelled");
  expect(problems).toEqual([]);
  await close();
});

const submission = {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    mode: "local",
    runners: [{ name: "checkTitle", input: { url: "https://example.com" } }],
  }),
};

test("nothing of the page is wider than a telephone, and its text is legible in both schemes", async () => {
  for (const colorScheme of ["light", "dark"] as const) {
    const viewport = { width: 360, height: 740 };
    const { page, close } = await open("/docs", { colorScheme, viewport });
    await openEverything(page);
    const { wide, colors } = await page.evaluate(() => {
      const style = getComputedStyle(document.querySelector("#submitRun .about")!);
      const under = getComputedStyle(document.querySelector("#submitRun > details")!);
      const { scrollWidth, clientWidth } = document.documentElement;
      return { wide: scrollWidth - clientWidth, colors: [style.color, under.backgroundColor] };
    });
    expect(wide, colorScheme).toBe(0);
    expect(contrast(colors[0]!, colors[1]!), colorScheme).toBeGreaterThan(4.5);
    await close();
  }
});

test.each([
  ["below a prefix that a proxy strips", "/api/orchestrator", "/prefix"],
  ["at the root", "", ""],
])("the page works %s", async (_where, route, prefix) => {
  const served = await serveDocumentedApi({ route, prefix });
  const { page, problems, close } = await openDocs(`${served.base}/docs`);
  await page.click("#send");
  await page.waitForSelector("#status");
  expect(await page.innerText("#status")).toBe("200");
  expect(await page.innerText("#try .asked")).toBe(`POST ${prefix}${route || "/"}`);
  expect(served.started()).toBe(1);
  expect(problems).toEqual([]);
  await close();
  await served.close();
});
