import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, expect, test } from "vitest";
import { toNodeListener } from "../../../src/http/node.ts";
import { serveRunApi } from "../../_support/run-api.ts";
import { serveDocumentedApi } from "../../_support/documented-api.ts";

const api = await serveRunApi();
const { handler, close } = await serveDocumentedApi();
// Node itself refuses more than 16 KiB, with an answer without a body, unless it is told otherwise.
const roomy = createServer({ maxHeaderSize: 64 * 1024 }, toNodeListener(handler));
await new Promise<void>((resolve) => roomy.listen(0, "127.0.0.1", resolve));
const { port } = roomy.address() as AddressInfo;

afterAll(async () => {
  await Promise.all([api.close(), close()]);
  roomy.closeAllConnections();
  roomy.close();
});

function ask(path: string, headers: Record<string, string>, method = "GET") {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, headers, method, timeout: 5000 };
    const asked = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode!, text }));
    });
    asked.on("error", reject).end();
  });
}

test("a query of 8 KiB is taken, and a longer one refused", async () => {
  const query = `?q=${"a".repeat(8 * 1024 - 2)}`;
  expect((await api.send(query)).status).toBe(200);
  for (const method of ["GET", "POST", "DELETE"]) {
    const refused = await api.send(`/greet${query}a`, undefined, { method });
    expect({ status: refused.status, body: refused.body }).toEqual({
      status: 414,
      body: { error: "The query string is longer than 8192 bytes", limit: 8192 },
    });
  }
});

test("headers over 16 KiB in all are refused, whichever they are", async () => {
  const path = "/api/orchestrator";
  const some = { "x-a": "a".repeat(8000), "x-b": "b".repeat(8000) };
  expect((await ask(path, some)).status).toBe(200);
  const more = {
    ...some,
    ...Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`y-${n}`, "c"])),
  };
  const refused = await ask(path, more);
  expect({ status: refused.status, body: JSON.parse(refused.text) }).toEqual({
    status: 431,
    body: { error: "The headers are larger than 16384 bytes", limit: 16_384 },
  });
  expect(await ask(path, more, "HEAD")).toEqual({ status: 431, text: "" });
});
