import { serve } from "srvx/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { docsHeaders, docsPage } from "../../src/docs/page.ts";
import { closeBrowser } from "../../src/runner/index.ts";
import { openDocs } from "../_support/docs-page.ts";

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const object = (name: string) => ({
  type: "object",
  properties: { [name]: { type: "string" } },
});

/** A document with what ours have not: streams, schemas in parts, parameters of the path itself. */
const specification = {
  openapi: "3.1.0",
  info: { title: "<i>Streams</i>", version: "1", description: "`x`" },
  tags: [{ name: "all" }],
  paths: {
    "/streams/{name}": {
      parameters: [{ name: "name", in: "path", required: true, schema: { type: "string" } }],
      get: {
        operationId: "listen",
        tags: ["all"],
        summary: "Listen",
        parameters: [{ name: "loud", in: "query", schema: { type: "boolean" } }],
        responses: {
          200: {
            description: "Events.",
            content: { "text/event-stream": { schema: { type: "string" } } },
          },
        },
      },
      put: {
        operationId: "change",
        tags: ["all"],
        summary: "Change",
        requestBody: { content: { "application/json": { schema: ref("Part") } } },
        responses: { 204: { description: "Changed." } },
      },
    },
    "/api/below": {
      post: {
        operationId: "choose",
        tags: ["all"],
        summary: "Choose",
        requestBody: {
          content: {
            "application/json": {
              schema: { anyOf: ["first", "second", "third"].map((name) => object(name)) },
            },
          },
        },
        responses: { 204: { description: "Chosen." } },
      },
    },
  },
  components: {
    schemas: {
      Named: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
      Part: {
        allOf: [ref("Named")],
        properties: {
          parts: { type: "array", items: ref("Part") },
          odd: { anyOf: [{ type: "null" }, { properties: { left: {}, right: {} } }] },
          counts: { type: "object", additionalProperties: { type: "integer", minimum: 3 } },
        },
      },
    },
  },
};

const asked: string[] = [];
let stopped: () => void;
const stop = new Promise<void>((resolve) => {
  stopped = resolve;
});

const server = serve({
  port: 0,
  hostname: "127.0.0.1",
  silent: true,
  gracefulShutdown: false,
  fetch(request) {
    const { pathname, search } = new URL(request.url);
    asked.push(`${request.method} ${pathname}${search}`);
    if (pathname.endsWith("/docs")) {
      const mount = pathname === "/docs" ? "" : "/api";
      const options = { nonce: "n", title: '"<b>&', mount, featured: "listen" };
      return new Response(docsPage(options), { headers: docsHeaders("n") });
    }
    if (pathname.endsWith("/spec.json")) return Response.json(specification);
    if (request.method === "PUT") return new Response(null, { status: 204 });
    const events = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("data: <one>\n\n")),
      cancel: () => stopped(),
    });
    return new Response(events, { headers: { "content-type": "text/event-stream" } });
  },
});
let address: string;

beforeAll(async () => {
  await server.ready();
  address = `${new URL(server.url!).origin}/docs`;
});

afterAll(async () => {
  await closeBrowser();
  await server.close(true);
});

test("a title is text, whatever is in it", () => {
  const html = docsPage({ nonce: "n", title: '"<b>&', mount: '"><b>', featured: "" });
  expect(html).toContain("<title>&quot;&lt;b&gt;&amp;</title>");
  expect(html).not.toContain("<b>");
});

test("a stream is shown as it comes, until it is stopped", async () => {
  const { page, problems, close } = await openDocs(address);
  await page.fill("#param-name", "a/b c");
  await page.selectOption("#param-loud", "true");
  await page.click("#send");
  await page.waitForSelector("#reply pre");
  expect(await page.innerText("#reply")).toContain("Streaming…");
  expect(await page.innerText("#reply pre")).toContain("data: <one>");
  await page.click("#send");
  await page.waitForFunction(() => document.querySelector("#send")!.textContent === "Send");
  const reply = await page.innerText("#reply");
  expect(reply).toContain("Stopped.");
  expect(reply).toContain("data: <one>");
  await stop;
  expect(asked).toContain("GET /streams/a%2Fb%20c?loud=true");
  expect(problems).toEqual([]);
  await close();
});

test("what a path needs is asked for before anything is sent", async () => {
  const { page, close } = await openDocs(address);
  const before = asked.length;
  await page.click("#send");
  expect(
    await page.$eval("#param-name", (input: HTMLInputElement) => input.matches(":invalid")),
  ).toBe(true);
  expect(asked.length).toBe(before);
  await close();
});

test("a schema's parts, choices and keys are shown, one that holds itself as far as it is asked for", async () => {
  const { page, problems, close } = await openDocs(`${address}#change`);
  const body = page.locator("#change .block", { hasText: "Body" }).first();
  await body.waitFor();
  const text = await body.innerText();
  expect(text).toMatch(/name\s*string\s*required/);
  expect(text).toMatch(/parts\s*Part\[\]/);
  expect(text).toMatch(/odd\s*null \| \{left, right\}/);
  expect(text).toMatch(/any other key\s*integer\s*≥ 3/);
  for (let depth = 1; depth < 12; depth++) {
    const deeper = body.locator("details.deeper:not([open]) > summary").first();
    await deeper.click();
  }
  await page.fill("#change-param-name", "x");
  await page.click("#change-send");
  await page.waitForSelector("#change-status");
  expect(await page.innerText("#change-status")).toBe("204");
  expect(await page.innerText("#change-reply")).toContain("No body.");
  expect(asked).toContain("PUT /streams/x");
  expect(problems).toEqual([]);
  await close();
});

test("paths beside the folder of the page are asked for beside it, behind a prefix too", async () => {
  const { page, problems, close } = await openDocs(
    `${address.replace("/docs", "/app/api/docs")}#change`,
  );
  expect(await page.innerText("#change h3")).toContain("/app/streams/{name}");
  expect(await page.innerText("#choose h3")).toContain("/app/api/below");
  await page.fill("#change-param-name", "x");
  await page.click("#change-send");
  await page.waitForSelector("#change-status");
  expect(asked).toContain("PUT /app/streams/x");
  expect(problems).toEqual([]);
  await close();
});

test("of many choices for a body the first is open, and the others when they are asked for", async () => {
  const { page, close } = await openDocs(`${address}#choose`);
  const body = page.locator("#choose .block", { hasText: "Body" }).first();
  await body.waitFor();
  expect(await body.locator(".option .name").allInnerTexts()).toEqual(["first"]);
  await body.getByText("as {third}").click();
  await body.locator(".option .name").nth(1).waitFor();
  expect(await body.locator(".option .name").allInnerTexts()).toEqual(["first", "third"]);
  await close();
});
