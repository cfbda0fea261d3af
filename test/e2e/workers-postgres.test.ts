import { afterAll, beforeAll, expect, test } from "vitest";
import { send, until } from "../_support/api.ts";
import type { TestServer } from "../_support/app.ts";
import { framesOf } from "../_support/events.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { runCli, startService } from "../_support/service.ts";
import { createWorkers } from "../_support/workers.ts";

const workers = createWorkers();
let postgres: TestPostgres;
let service: TestServer;

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  const env = { ORCHESTRATOR_POSTGRES_URL: postgres.url };
  const start = (region: string): Promise<unknown> =>
    workers.start(["--postgres", postgres.url, "--region", region, "--concurrency", "10"]);
  [service] = await Promise.all([
    startService({ cwd: workers.cwd, args: [], env }),
    start("eu"),
    start("us"),
  ]);
});

afterAll(async () => {
  await Promise.all([service?.stop("SIGKILL"), workers.stop()]);
  await postgres?.stop();
});

async function submit(body: object): Promise<string> {
  const answer = await send(`${service.url}/runs?mode=postgres`, body);
  expect(answer.status).toBe(201);
  return answer.body.runId as string;
}

test("a run over two regions is executed by workers on Postgres, with what its runners told", async () => {
  const url = "https://both.example.com/";
  const id = await submit({
    runners: [
      { name: "check", input: { url } },
      { name: "tell", input: { url } },
    ],
    regions: ["eu", "us"],
    concurrency: 1,
  });
  const { body: run } = await send(`${service.url}/api/orchestrator/${id}?wait=30`);
  expect(run).toMatchObject({ state: "completed", summary: { total: 4, passed: 4 } });
  expect(run.jobs.map(({ region }: { region: string }) => region)).toEqual(["eu", "us"]);
  const { frames } = await framesOf(`${service.url}/runs/${id}/events`);
  const told = frames.filter(({ event }) => event === "checkpoint").map(({ data }) => data.type);
  expect(told).toEqual(["opened", "closed", "opened", "closed"]);
});

test("a run that is cancelled stops the runner of its worker", async () => {
  const url = "https://cancelled.example.com/";
  const id = await submit({ runners: [{ name: "gate", region: "eu", input: { url } }] });
  const lines = (): string[] => workers.lines(url).map((line) => line.split(" ")[0]!);
  await until(() => lines().includes("begin"));
  await send(`${service.url}/runs/${id}`, undefined, { method: "DELETE" });
  await until(() => lines().includes("aborted"));
});

test("what the command refuses", async () => {
  const two = await runCli(["worker", "--postgres", "postgres://a/b", "--redis", "redis://a"]);
  expect(two.output).toContain("--redis and --postgres are two places to pull from: give one");
  const odd = await runCli(["worker", "--postgres", "secret"]);
  expect(odd.output).toContain("--postgres must be a URL such as postgres://localhost:5432/checks");
  expect(odd.output).not.toContain("secret");
  const keys = await runCli(["worker", "--postgres", "postgres://a/b", "--prefix", "checks"]);
  expect(keys.output).toContain("--prefix is of keys on Redis, and cannot stand beside --postgres");
});
