import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { toNodeListener } from "../../src/http/node.ts";
import { createEarlyApi, onceReady } from "../../src/runtime/early.ts";

const mount = { route: "/api/orchestrator", service: "" } as const;
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

describe("what is answered before the start", () => {
  it("hands on a request whose address cannot be read, as any other", async () => {
    const api = onceReady(async ({ url }) => new Response(url), Promise.resolve(), mount);
    expect(await ask(api, "x:99999")).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("is nothing for a request whose address cannot be read", async () => {
    const early = createEarlyApi({ ...mount, readiness: () => ({ ready: false }) });
    const answers: unknown[] = [];
    await ask(async (request) => {
      answers.push(early(request));
      return new Response();
    }, "x:99999");
    expect(answers).toEqual([undefined]);
  });
});

/** What a server with this handler answers to a `GET` with a `Host` that `fetch` would not send. */
async function ask(handler: (request: Request) => Promise<Response>, host: string) {
  const server = createServer(toNodeListener(handler));
  stops.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  stops.push(() => socket.destroy());
  socket.setTimeout(2000, () => socket.destroy());
  socket.write(`GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
