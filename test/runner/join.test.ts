import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { joinOrchestrator, type JoinOrchestratorOptions } from "../../src/runner/index.ts";
import { freePort } from "../_support/process.ts";
import { type RunApi, serveRunApi } from "../_support/run-api.ts";
import { gate, serve } from "./_support/serve.ts";

const server = { id: "me", url: "http://127.0.0.1:2/api/runner", region: "eu", capacity: 3 };
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function orchestrator(): Promise<RunApi> {
  const api = await serveRunApi();
  ends.push(api.close);
  return api;
}

function join(options: Omit<JoinOrchestratorOptions, "server"> & { server?: typeof server }) {
  const notes: string[] = [];
  const membership = joinOrchestrator({
    server,
    note: (message) => notes.push(message),
    ...options,
  });
  ends.push(membership.leave);
  return { membership, notes };
}

const found = async ({ send }: RunApi) => (await send("/servers/me")).body.server;

/** An orchestrator that is scripted, and what it was asked. */
async function scripted(port: number, answer: (path: string) => { status: number; body: object }) {
  const asked: { path: string; body: any; authorization: string | undefined }[] = [];
  const waiting = new Set<() => void>();
  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const path = `${request.method} ${request.url}`;
    const body = text === "" ? undefined : JSON.parse(text);
    const { status, body: reply } = answer(path);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(reply));
    asked.push({ path, body, authorization: request.headers.authorization });
    for (const wake of waiting) wake();
  };
  const http: Server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve) => http.listen(port, "127.0.0.1", resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      http.close(() => resolve());
      http.closeAllConnections();
    });
  ends.push(close);
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    asked,
    close,
    /** Resolves when it has been asked for this path that many times. */
    async times(path: string, count: number): Promise<void> {
      const isSo = () => asked.filter((one) => one.path === path).length >= count;
      while (!isSo()) {
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            waiting.delete(wake);
            resolve();
          };
          waiting.add(wake);
        });
      }
    },
  };
}

const known = { server: { id: "me" }, heartbeat: { interval: 20, ttl: 60 } };

test("a server joins, and leaves", async () => {
  const api = await orchestrator();
  const { membership } = join({ orchestrator: `${api.base}/`, load: () => 2 });
  expect(membership.joined).toBe(false);
  await membership.ready;
  expect(membership.joined).toBe(true);
  expect(await found(api)).toMatchObject({ ...server, load: 2 });
  await membership.leave();
  expect([membership.joined, await found(api)]).toEqual([false, undefined]);
});

test("it tells what it has to do as often as it is asked to, with its key", async () => {
  const { url, asked, times } = await scripted(0, () => ({ status: 200, body: known }));
  let load = 0;
  join({ orchestrator: url, apiKey: "secret", load: () => ++load });
  await times("POST /servers/me/heartbeat", 3);
  expect(asked.slice(0, 3)).toEqual([
    { path: "POST /servers", body: { ...server, load: 1 }, authorization: "Bearer secret" },
    {
      path: "POST /servers/me/heartbeat",
      body: { load: 2, capacity: 3 },
      authorization: "Bearer secret",
    },
    {
      path: "POST /servers/me/heartbeat",
      body: { load: 3, capacity: 3 },
      authorization: "Bearer secret",
    },
  ]);
});

test("it joins again where it has been forgotten", async () => {
  let beats = 0;
  const { url, times } = await scripted(0, (path) => {
    const forgotten = path.endsWith("/heartbeat") && ++beats === 2;
    return forgotten ? { status: 404, body: { error: "?" } } : { status: 200, body: known };
  });
  const { notes } = join({ orchestrator: url });
  await times("POST /servers", 2);
  await times("POST /servers/me/heartbeat", 4);
  expect(notes).toEqual([]);
});

test("it survives an orchestrator that is away, and says so once", async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const { membership, notes } = join({ orchestrator: url });
  await expect.poll(() => notes.length).toBe(1);
  const first = await scripted(port, () => ({ status: 200, body: known }));
  await membership.ready;
  await first.times("POST /servers/me/heartbeat", 1);
  await first.close();
  await expect.poll(() => notes.length).toBe(3);
  expect(membership.joined).toBe(false);
  const second = await scripted(port, () => ({ status: 200, body: known }));
  await second.times("POST /servers/me/heartbeat", 2);
  expect(membership.joined).toBe(true);
  expect(notes).toEqual([
    expect.stringMatching(/^cannot join http.+: connect ECONNREFUSED .+ \(trying again\)$/),
    `joined ${url} again as me`,
    expect.stringMatching(/^cannot join http.+ \(trying again\)$/),
    `joined ${url} again as me`,
  ]);
});

test("what it is refused for is said, and asked again", async () => {
  let refusals = 0;
  const { url } = await scripted(0, () =>
    ++refusals <= 2
      ? { status: 403, body: { error: "forbidden" } }
      : { status: 200, body: refusals === 3 ? { ok: true } : known },
  );
  const { membership, notes } = join({ orchestrator: url });
  await membership.ready;
  expect(notes).toEqual([
    `cannot join ${url}: forbidden (trying again)`,
    `cannot join ${url}: it answers otherwise than an orchestrator (trying again)`,
    `joined ${url} again as me`,
  ]);
});

test("a runner server tells what it has in flight, and leaves when it begins to drain", async () => {
  const api = await orchestrator();
  const started = gate();
  const end = gate();
  const wait = async () => {
    started.open();
    await end.opened;
    return { status: "pass" };
  };
  const { execute, handler } = await serve({ runners: { wait } });
  const reply = execute({ runners: ["wait"] });
  await started.opened;
  expect(handler.inFlight).toBe(1);
  const { membership } = join({ orchestrator: api.base, handler });
  await membership.ready;
  expect(await found(api)).toMatchObject({ load: 1 });
  const drained = handler.drain();
  await expect.poll(() => found(api)).toBeUndefined();
  end.open();
  await Promise.all([drained, reply]);
  expect([handler.inFlight, membership.joined]).toEqual([0, false]);
});

test("it leaves when its signal aborts, also before it has joined", async () => {
  const api = await orchestrator();
  const stop = new AbortController();
  const { membership } = join({ orchestrator: api.base, signal: stop.signal });
  await membership.ready;
  stop.abort();
  await membership.leave();
  expect(await found(api)).toBeUndefined();
  const late = join({ orchestrator: api.base, signal: stop.signal });
  await late.membership.leave();
  await late.membership.ready;
  expect(await found(api)).toBeUndefined();
});

test.each([
  [{ orchestrator: "eu" }, 'options.orchestrator must be an absolute http(s) URL (got "eu")'],
  [{ server: undefined }, "options.server must be {url, region} (got undefined)"],
  [{ server: { ...server, url: "x" } }, "options.server.url must be an absolute http(s) URL"],
  [{ server: { ...server, region: "" } }, "options.server.region must be a text"],
  [{ apiKey: "a b" }, "options.apiKey must be visible ASCII characters"],
  [{ load: 3 }, "options.load must be a function (got 3)"],
])("%j is refused", (options, message) => {
  const given = { orchestrator: "http://127.0.0.1:1", server, ...options };
  expect(() => joinOrchestrator(given as never)).toThrow(`joinOrchestrator: ${message}`);
});
