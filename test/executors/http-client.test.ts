import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { BodyTooLargeError } from "../../src/core/body.ts";
import { type HttpRequest, sendRequest } from "../../src/executors/http-client.ts";
import { serve, serveRaw } from "./server.ts";

function get(url: string, more: Partial<HttpRequest> = {}): ReturnType<typeof sendRequest> {
  const { signal } = new AbortController();
  return sendRequest({ url, method: "GET", headers: {}, signal, limit: 1000, ...more });
}

/** A server that counts its connections. */
async function counting(
  keepAliveTimeout: number,
): Promise<{ url: string; connections: () => number }> {
  let connections = 0;
  const server = createServer((_, response) => response.end("ok"));
  server.keepAliveTimeout = keepAliveTimeout;
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, connections: () => connections };
}

test("requests one after another share a connection", async () => {
  const server = await counting(5000);
  for (let n = 0; n < 10; n++) expect((await get(server.url)).text).toBe("ok");
  expect(server.connections()).toBe(1);
});

test("a connection that its server is about to close is not used again", async () => {
  const server = await counting(2000);
  for (let n = 0; n < 3; n++) expect((await get(server.url)).text).toBe("ok");
  expect(server.connections()).toBe(3);
});

test("a redirect is an answer", async () => {
  const server = await serve((response) => {
    response.writeHead(307, { location: "http://elsewhere.test/" }).end();
  });
  const { status, headers } = await get(server.url);
  expect([status, headers.get("location"), headers.get("retry-after")]).toEqual([
    307,
    "http://elsewhere.test/",
    null,
  ]);
  expect(server.requests).toHaveLength(1);
});

test.each([
  ["gzip", gzipSync],
  ["deflate", deflateSync],
  ["br", brotliCompressSync],
])("an answer in %s is read, and its limit is that of the text", async (encoding, compress) => {
  let text = "déjà vu";
  const server = await serve((response) => {
    response.writeHead(200, { "content-encoding": encoding }).end(compress(text));
  });
  expect((await get(server.url)).text).toBe(text);
  text = "a".repeat(100_000);
  await expect(get(server.url)).rejects.toThrow(BodyTooLargeError);
});

test("an answer that says gzip and is none, or breaks off, is an error", async () => {
  const server = await serve((response) => {
    response.writeHead(200, { "content-encoding": "gzip" }).end("plain");
  });
  await expect(get(server.url)).rejects.toThrow("incorrect header check");
  const broken = await serveRaw((socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n");
    socket.write(gzipSync("half").subarray(0, 12));
    setTimeout(() => socket.destroy(), 10);
  });
  await expect(get(broken.url)).rejects.toMatchObject({ code: "ECONNRESET" });
});

test("letters that fall into two parts of an answer are read", async () => {
  const server = await serve((response) => {
    const bytes = Buffer.from("é");
    response.write(bytes.subarray(0, 1));
    setTimeout(() => response.end(bytes.subarray(1)), 20);
  });
  expect((await get(server.url)).text).toBe("é");
});

test("an abort ends a request with its reason, also while its answer is read", async () => {
  const abort = new AbortController();
  const server = await serve((response) => {
    response.write("half");
    setTimeout(() => abort.abort(new Error("cancelled")), 20);
  });
  await expect(get(server.url, { signal: abort.signal })).rejects.toThrow("cancelled");
  await expect(get(server.url, { signal: abort.signal })).rejects.toThrow("cancelled");
  expect(server.requests).toHaveLength(1);
});
