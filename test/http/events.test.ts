import { connect } from "node:net";
import { H3 } from "h3";
import { serve } from "srvx/node";
import { expect, onTestFinished, test } from "vitest";
import { streamEvents } from "../../src/http/events.ts";
import type { FollowedEvent } from "../../src/types/service.ts";
import { until } from "../world/support.ts";

/** Serves what `events` yields as the stream of any run, with hearts that beat fast. */
async function serveStream(
  events: (signal: AbortSignal) => AsyncGenerator<FollowedEvent>,
  times: { heartbeat: number; ping: number; stuck: number },
) {
  const closing = new AbortController();
  const open = { now: 0, most: 0 };
  const count = {
    inc: () => void (open.most = Math.max(open.most, ++open.now)),
    dec: () => void open.now--,
  };
  const runs = {
    follow: async (_id: string, { signal }: { signal: AbortSignal }) => events(signal),
  };
  const app = new H3().get("/events", (event) =>
    streamEvents(event, "r", { runs, closing: closing.signal, open: count, times }),
  );
  const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1", silent: true });
  await server.ready();
  onTestFinished(() => server.close(true));
  return { url: `${new URL(server.url!).origin}/events`, closing, open };
}

/** Waits until it is told to stop, without anything to tell. */
async function* silent(signal: AbortSignal): AsyncGenerator<FollowedEvent> {
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  yield* [];
}

test("a stream without news has comments for proxies, and a named event for watchdogs", async () => {
  const { url, closing, open } = await serveStream(silent, {
    heartbeat: 20,
    ping: 50,
    stuck: 9000,
  });
  const response = await fetch(url);
  let text = "";
  const reading = (async () => {
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) text += part;
  })();
  await until(() => /^:/m.test(text) && /^event: ping\ndata: \{"at":"\d{4}-.*"\}$/m.test(text));
  expect(text.startsWith('event: hello\ndata: {"runId":"r"}\n\n')).toBe(true);
  expect(text).not.toMatch(/^id:/m);
  // The end of the process ends it in order.
  closing.abort();
  await reading;
  expect(open).toEqual({ now: 0, most: 1 });
});

test("a client that takes nothing is cut off after a while, and nothing more is read for it", async () => {
  let read = 0;
  async function* endless(signal: AbortSignal): AsyncGenerator<FollowedEvent> {
    for (; !signal.aborted; read++) {
      yield {
        event: "log",
        data: { runId: "r", at: new Date(0).toISOString(), message: "x".repeat(100_000) },
      };
    }
  }
  const { url, open } = await serveStream(endless, { heartbeat: 20, ping: 20, stuck: 150 });
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => undefined);
  socket.pause();
  socket.write(`GET /events HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  await until(() => open.most === 1);
  await until(() => open.now === 0);
  const before = read;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(read).toBe(before);
});
