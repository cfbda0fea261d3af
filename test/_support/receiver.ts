import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A callback as it came in. */
export interface Delivery {
  /** Epoch milliseconds. */
  at: number;
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  body: any;
}

/** A receiver of callbacks on loopback. */
export interface Receiver {
  url: string;
  port: number;
  deliveries: Delivery[];
  /** What came in at a path. */
  at(path: string): Delivery[];
  close(): Promise<void>;
}

/** Starts one; `reply` answers, by default with 204. */
export async function startReceiver(
  reply: (delivery: Delivery, response: ServerResponse) => void = (_, response) =>
    void response.writeHead(204).end(),
  port = 0,
): Promise<Receiver> {
  const deliveries: Delivery[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const { headers, url: path = "" } = request;
    const delivery = { at: Date.now(), path, headers, text, body: JSON.parse(text) };
    deliveries.push(delivery);
    reply(delivery, response);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${taken}`,
    port: taken,
    deliveries,
    at: (path) => deliveries.filter((delivery) => delivery.path === path),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The signature that Standard Webhooks asks for, of a key's bytes. */
export function expectedSignature(key: Buffer, { headers, text }: Delivery): string {
  const signed = [headers["webhook-id"], headers["webhook-timestamp"], text].join(".");
  return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
}
