import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EventSource } from "eventsource";

/** A frame of an event stream. */
export interface Frame {
  id?: string;
  event?: string;
  /** Parsed. */
  data?: any;
}

/** All frames of a stream, read to its end; comments are left out. */
export async function framesOf(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ frames: Frame[]; text: string; headers: Headers; status: number }> {
  const response = await fetch(url, { headers });
  const text = await response.text();
  return { frames: parseFrames(text), text, headers: response.headers, status: response.status };
}

/** The frames in a text. */
export function parseFrames(text: string): Frame[] {
  return text
    .split("\n\n")
    .map((block) => block.split("\n").filter((line) => line !== "" && !line.startsWith(":")))
    .filter((lines) => lines.length > 0)
    .map((lines) => {
      const fields = Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      return { ...fields, ...(fields.data !== undefined && { data: JSON.parse(fields.data) }) };
    });
}

/** What an EventSource was told, by the event's name. */
export interface Listener {
  /** Checkpoints and statuses, in their order. */
  told: { event: string; data: any }[];
  /** Resolves with the first status that is one of these. */
  status(...wanted: string[]): Promise<string>;
  close(): void;
}

/** Listens with a real EventSource, which reconnects by itself until it is closed. */
export function listen(url: string): Listener {
  const source = new EventSource(url);
  const told: Listener["told"] = [];
  const waiting = new Set<() => void>();
  for (const event of ["checkpoint", "job", "log", "status"]) {
    source.addEventListener(event, (message) => {
      told.push({ event, data: JSON.parse(message.data as string) });
      for (const check of waiting) check();
    });
  }
  return {
    told,
    status: (...wanted) =>
      new Promise((resolve) => {
        const check = (): void => {
          const found = told.find(
            ({ event, data }) => event === "status" && wanted.includes(data.status),
          );
          if (!found) return;
          waiting.delete(check);
          resolve(found.data.status as string);
        };
        waiting.add(check);
        check();
      }),
    close: () => source.close(),
  };
}

/** A proxy whose connections can be cut. */
export interface Proxy {
  url: string;
  /** Cuts every connection there is. */
  cut(): void;
  /** How often a client has connected. */
  connections(): number;
  close(): void;
}

/** Starts a proxy in front of a server, which has EventSource clients reconnect at once. */
export async function startProxy(target: string): Promise<Proxy> {
  const open = new Set<ServerResponse>();
  let connections = 0;
  const server = createServer((incoming: IncomingMessage, response) => {
    connections++;
    open.add(response);
    response.on("close", () => open.delete(response));
    const upstream = request(target + incoming.url, { headers: incoming.headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      response.write("retry: 10\n\n");
      answer.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    response.on("close", () => upstream.destroy());
    upstream.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      for (const response of open) response.destroy();
    },
    connections: () => connections,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
