import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { toNodeListener } from "../../src/http/node.ts";

/** What is answered to a `POST` with this `Host`, behind a parser that has read its body. */
async function post(host: string): Promise<string> {
  const listener = toNodeListener(async (request) => {
    const readable = URL.canParse(request.url);
    return new Response(readable ? await request.text() : "not readable");
  });
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      try {
        listener(Object.assign(request, { body: { a: 1 } }), response);
      } catch (error) {
        response.end(`thrown: ${(error as Error).message}`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  onTestFinished(() => {
    socket.destroy();
    server.close();
  });
  socket.setTimeout(2000, () => socket.destroy());
  const headers = `Host: ${host}\r\nContent-Length: 2\r\nConnection: close`;
  socket.write(`POST /runs HTTP/1.1\r\n${headers}\r\n\r\n{}`);
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

test("a body that a parser has read is there, and an address that cannot be read is handed on", async () => {
  expect(await post("localhost")).toContain('{"a":1}');
  expect(await post("x:99999")).toContain("not readable");
});
