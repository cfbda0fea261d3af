import { createServer, connect, type Server } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Conductor, createRunnerWorker } from "../../src/worker/index.ts";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { freePort } from "../_support/process.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterAll(() => postgres?.stop());

const runners = { check: () => ({ status: "pass" as const }) };

function workerOn(connectionString: string): {
  worker: ReturnType<typeof createRunnerWorker>;
  said: string[];
  close(): Promise<void>;
} {
  const said: string[] = [];
  const conductor = Conductor.create({ connectionString });
  const log = (message: string, { from }: Record<string, unknown> = {}): void =>
    void said.push(from === undefined ? message : `${message} from ${String(from)}`);
  const worker = createRunnerWorker({ conductor, runners, log, signals: false });
  return { worker, said, close: () => conductor.close() };
}

function moved(url: string, port: number): string {
  return Object.assign(new URL(url), { port: String(port) }).href;
}

test("a worker says that Postgres is away, waits for it, and says when it is back", async () => {
  const port = await freePort();
  const { worker, said, close } = workerOn(moved(postgres.url, port));
  const started = worker.start();
  const place = `Postgres at 127.0.0.1:${port}`;
  await until(() => said.length > 0);
  expect(said).toEqual([`${place} is away (connect ECONNREFUSED 127.0.0.1:${port})`]);
  const proxy: Server = createServer((socket) => {
    const upstream = connect(Number(new URL(postgres.url).port), "127.0.0.1");
    for (const each of [socket, upstream]) each.on("error", () => undefined);
    socket.pipe(upstream).pipe(socket);
  });
  await new Promise<void>((resolve) => proxy.listen(port, "127.0.0.1", resolve));
  await started;
  expect(said.slice(1)).toEqual([`${place} is back`, `pulling from ${place}`]);
  await worker.stop();
  await close();
  proxy.close();
});

test("a worker that is stopped while it waits for Postgres has not pulled", async () => {
  const port = await freePort();
  const { worker, said, close } = workerOn(moved(postgres.url, port));
  const started = worker.start();
  await until(() => said.length > 0);
  await worker.stop();
  await started;
  expect(said.slice(1)).toEqual(["stopped"]);
  await close();
});

test("what waiting does not mend ends the start, with the place", async () => {
  const { worker, close } = workerOn(postgres.url.replace(/postgres$/, "missing"));
  const place = new URL(postgres.url).host;
  await expect(worker.start()).rejects.toThrow(
    `Postgres at ${place}: database "missing" does not exist`,
  );
  await close();
});
