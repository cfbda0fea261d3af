import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, inject, test } from "vitest";
import { send } from "../_support/api.ts";
import { startServer, workDir } from "../_support/app.ts";
import { framesOf, listen, startProxy } from "../_support/events.ts";
import { regionalRun, startHeldServer } from "../_support/held-server.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(env: Record<string, string> = {}) {
  const server = await startServer(inject("fixtureOutput"), workDir(), env);
  stops.push(() => server.stop("SIGKILL"));
  const runs = `${server.url}/api/orchestrator/runs`;
  return {
    ...server,
    runs,
    async create(body: object): Promise<string> {
      const answer = await send(runs, body);
      expect(answer.status).toBe(201);
      return answer.body.runId as string;
    },
    post: (id: string, type: string, data?: unknown) =>
      send(`${runs}/${id}/checkpoints`, { type, data }),
    cancel: (id: string) => send(`${runs}/${id}`, undefined, { method: "DELETE" }),
  };
}

const sleeper = { workflow: "sleeper", input: 600 };

test("1,000 checkpoints in a burst, a client cut off ten times: each arrives once, in order", async () => {
  const server = await start();
  const proxy = await startProxy(server.url);
  stops.push(proxy.close);
  const id = await server.create(sleeper);
  const listener = listen(`${proxy.url}/api/orchestrator/runs/${id}/events`);
  stops.push(listener.close);
  const checkpoints = (): any[] => listener.told.filter(({ event }) => event === "checkpoint");

  // Who comes later gets the last ten only.
  await listener.status("running");
  // Cut where the client is in the midst of them, whatever the speed of either.
  let cuts = 0;
  const cutting = setInterval(() => {
    if (cuts < 10 && checkpoints().length > cuts * 90) {
      cuts++;
      proxy.cut();
    }
  }, 1);
  stops.push(() => clearInterval(cutting));
  const numbers = Array.from({ length: 1000 }, (_, number) => number);
  for (let first = 0; first < 1000; first += 100) {
    const answers = await Promise.all(
      numbers.slice(first, first + 100).map((number) => server.post(id, "tick", { number })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  }
  await expect.poll(() => checkpoints().length, { timeout: 20_000 }).toBe(1000);
  await expect.poll(() => cuts).toBe(10);
  expect(proxy.connections()).toBeGreaterThan(10);
  await server.cancel(id);
  await listener.status("canceled");

  const all = (await send(`${server.runs}/${id}/checkpoints`)).body.checkpoints;
  const times = all.map(({ ts }: { ts: string }) => ts);
  expect(times).toEqual([...new Set(times)].toSorted());
  expect(checkpoints().map(({ data }) => data)).toEqual(all);
  expect(new Set(all.map(({ data }: any) => data.number)).size).toBe(1000);
});

test.runIf(process.platform === "linux")(
  "clients that never read cost the server no memory",
  async () => {
    const server = await start();
    const id = await server.create(sleeper);
    const anonymous = (): number => {
      const status = readFileSync(`/proc/${server.child.pid}/status`, "utf8");
      return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
    };
    const deaf = await Promise.all(
      Array.from({ length: 20 }, () => openDeaf(server.url, `/api/orchestrator/runs/${id}/events`)),
    );
    stops.push(() => deaf.forEach((socket) => socket.destroy()));
    const data = "x".repeat(32_000);
    const post = (count: number): Promise<unknown> =>
      Promise.all(Array.from({ length: count }, () => server.post(id, "big", data)));
    for (let round = 0; round < 5; round++) await post(20);
    const before = anonymous();
    for (let round = 0; round < 30; round++) await post(20);
    // 600 of them are 19 MB, and 380 MB for all that do not read.
    expect(anonymous() - before).toBeLessThan(150);
    const { status } = await send(`${server.runs}/${id}`);
    expect(status).toBe(200);
  },
);

describe("a stream", () => {
  test("begins with hello, replays the last checkpoints, and ends with the run", async () => {
    const server = await start();
    const id = await server.create(sleeper);
    for (let number = 0; number < 15; number++) await server.post(id, "tick", number);
    const url = `${server.runs}/${id}/events`;
    const listening = Promise.all([
      framesOf(url),
      framesOf(`${url}?replay=0`),
      framesOf(`${url}?replay=100`),
    ]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await server.post(id, "late");
    await server.cancel(id);
    const [ten, none, all] = await listening;
    expect(ten.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(ten.headers.get("cache-control")).toBe("no-cache");
    expect(ten.text.startsWith(`event: hello\ndata: {"runId":"${id}"}\n\n`)).toBe(true);
    const told = ({ frames }: { frames: { event?: string; data?: any }[] }): unknown[] =>
      frames.map(({ event, data }) =>
        event === "checkpoint" ? (data.data ?? data.type) : (data.status ?? event),
      );
    const numbers = Array.from({ length: 15 }, (_, number) => number);
    expect(told(ten)).toEqual(["hello", ...numbers.slice(5), "running", "late", "canceled"]);
    expect(told(none)).toEqual(["hello", "running", "late", "canceled"]);
    expect(told(all)).toEqual(["hello", ...numbers, "running", "late", "canceled"]);
    // The order of the lines is the contract's.
    const frame = ten.frames.find(({ event }) => event === "checkpoint");
    expect(ten.text).toContain(
      `id: ${frame!.data.ts}\nevent: checkpoint\ndata: ${JSON.stringify(frame!.data)}\n\n`,
    );
    for (const { event, id: frameId } of ten.frames) {
      expect(frameId === undefined).toBe(event !== "checkpoint");
    }
  });

  test("of a run that has ended tells its history, also from behind a checkpoint", async () => {
    const server = await start();
    const id = await server.create(sleeper);
    for (let number = 0; number < 5; number++) await server.post(id, "tick", number);
    await server.cancel(id);
    const url = `${server.runs}/${id}/events`;
    const { frames } = await framesOf(url);
    expect(frames.map(({ event }) => event)).toEqual([
      "hello",
      ...Array.from({ length: 5 }, () => "checkpoint"),
      "status",
    ]);
    const resumed = await framesOf(url, { "last-event-id": frames[3]!.id! });
    expect(resumed.frames.map(({ data }) => data)).toEqual(
      [0, 4, 5, 6].map((at) => frames[at]!.data),
    );
    // What is no time of ours is as good as none: an EventSource could not mend it.
    const odd = await framesOf(url, { "last-event-id": "42" });
    expect(odd.frames).toHaveLength(7);
    expect((await send(`${url}?replay=101`)).body).toMatchObject({
      error: 'replay must be a whole number from 0 to 100 (got "101")',
    });
    expect((await send(`${server.runs}/wrun_01K6ZQ7T2E9M4V8XH3B5N0RCDA/events`)).status).toBe(404);
  });

  test("tells of jobs, and of those that a cancel cut off", async () => {
    const runner = await startHeldServer();
    stops.push(runner.close);
    const server = await start({ PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runner.url }) });
    const id = await server.create(regionalRun(["fast", "slow"]));
    const listener = listen(`${server.runs}/${id}/events`);
    stops.push(listener.close);
    const jobs = (): string[] =>
      listener.told.filter(({ event }) => event === "job").map(({ data }) => data.state);
    await expect.poll(jobs).toContain("completed");
    await expect.poll(() => runner.inFlight()).toBe(1);
    await server.cancel(id);
    await listener.status("canceled");
    expect(listener.told.at(-1)!.event).toBe("status");
    expect(jobs().at(-1)).toBe("cancelled");
    await expect.poll(() => runner.aborted).toEqual(["https://x.test/slow"]);
  });

  test("of a workflow that has not begun tells when it begins", async () => {
    const server = await start();
    const ids = await Promise.all(
      Array.from({ length: 10 }, () => server.create({ workflow: "sleeper", input: 0 })),
    );
    for (const id of ids) {
      const { frames } = await framesOf(`${server.runs}/${id}/events`);
      const statuses = frames.filter(({ event }) => event === "status").map(({ data }) => data);
      expect(statuses.at(-1)).toEqual({ runId: id, status: "completed" });
      expect(new Set(statuses.map(({ status }) => status)).size).toBe(statuses.length);
    }
  });
});

/** A connection that asks for a path and never reads the answer. */
async function openDeaf(url: string, path: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  return socket;
}
