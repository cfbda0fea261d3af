import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queueOf } from "../../src/core/pull.ts";
import { createPostgresExecutor } from "../../src/executors/postgres.ts";
import type { ExecuteRequest, Executor } from "../../src/types/executor.ts";
import { Conductor } from "../../src/worker/conductor.ts";
import { createRunnerWorker } from "../../src/worker/runner-worker.ts";
import { until } from "../_support/api.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { freePort } from "../_support/process.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startEmptyPostgres();
});
afterAll(() => postgres?.stop());

const pass = async (): Promise<object> => ({ status: "pass" });

function attempt(executor: Executor, more: Partial<ExecuteRequest> = {}): ExecuteRequest {
  return {
    server: queueOf(executor, ""),
    job: { url: "https://x.test/", runners: ["pass"] },
    idempotencyKey: `r/${randomUUID()}`,
    attempt: 1,
    timeout: 10_000,
    wait: 10_000,
    ...more,
  };
}

async function queued(url: string): Promise<number> {
  const client = new Client(url);
  await client.connect();
  const { rows } = await client.query("select from orchestrator_tasks.executions");
  await client.end();
  return rows.length;
}

test("an orchestrator starts while Postgres is away, and not where it is refused", async () => {
  const url = `postgres://none@127.0.0.1:${await freePort()}/none`;
  const executor = await createPostgresExecutor({ url });
  await executor.start!();
  await executor.close!();
  const unknown = await createPostgresExecutor({ url: `${postgres.url}_of_nobody` });
  await expect(unknown.start!()).rejects.toThrow("does not exist");
  await unknown.close!();
});

test("an order that is taken back while it is handed in is nobody's in the end", async () => {
  const executor = await createPostgresExecutor({ url: postgres.url });
  await executor.start!();
  const client = new Client(postgres.url);
  await client.connect();
  try {
    await client.query("begin; lock table orchestrator_tasks.executions in exclusive mode");
    const abort = new AbortController();
    const reply = executor.execute(attempt(executor, { signal: abort.signal }));
    await until(async () => {
      const { rows } = await client.query(
        "select from pg_locks where not granted and relation = 'orchestrator_tasks.executions'::regclass",
      );
      return rows.length > 0;
    });
    abort.abort(new Error("no more"));
    await expect(reply).rejects.toThrow("no more");
    await client.query("commit");
    await until(async () => {
      const { rows } = await client.query("select status from orchestrator_tasks.executions");
      return rows.length === 1 && rows[0].status === "canceled";
    }, 5000);
  } finally {
    await client.end();
    await executor.close!();
  }
});

test("a worker that is told to stop while it starts leaves its orders to others", async () => {
  const executor = await createPostgresExecutor({ url: await postgres.createDatabase("starts") });
  await executor.start!();
  const url = new URL("/starts", postgres.url).href;
  const conductors = [0, 1].map(() => Conductor.create({ connectionString: url }));
  const [early, other] = conductors.map((conductor) =>
    createRunnerWorker({ conductor, runners: { pass }, signals: false, log: () => {} }),
  );
  try {
    const replies = [0, 1, 2].map(() => executor.execute(attempt(executor)));
    await until(async () => (await queued(url)) === 3);
    const starting = early!.start();
    await early!.stop();
    await starting;
    await other!.start();
    for (const { results } of await Promise.all(replies)) {
      expect(results).toMatchObject([{ name: "pass", status: "pass" }]);
    }
  } finally {
    await other!.stop();
    await executor.close!();
    for (const one of conductors) await one.close();
  }
});
