import { afterAll, beforeAll, expect, test } from "vitest";
import { type Claims, createClaims } from "../../src/postgres/claims.ts";
import type { Database } from "../../src/postgres/database.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import { assemblePostgresWorld } from "../../src/runtime/postgres-world.ts";
import { claimingStarts, type Starts } from "../../src/runtime/starts.ts";
import type { StartOutcome, StartRequest } from "../../src/types/engine.ts";
import { startNode } from "../_support/process.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { sleep } from "../world/conformance/support.ts";
import { bundledChild } from "../world/bundled-child.ts";
import { startLossyProxy } from "./proxy.ts";

const { dir, child } = bundledChild(new URL("claim-child.ts", import.meta.url));

/** What a process has to start runs with. */
interface Instance {
  database: Database;
  claims: Claims;
  starts: Starts;
  close(): Promise<void>;
}

let postgres: TestPostgres;
let one: Instance;
let two: Instance;

function instance(url: string): Instance {
  const { database, world, close } = assemblePostgresWorld({ WORKFLOW_POSTGRES_URL: url });
  const claims = createClaims(database, () => world);
  return { database, claims, starts: claimingStarts(claims), close };
}

beforeAll(async () => {
  postgres = await startEmptyPostgres();
  one = instance(postgres.url);
  two = instance(postgres.url);
  await migrate(one.database, { engine: true });
});
afterAll(async () => {
  await one?.close();
  await two?.close();
  await postgres?.stop();
});

const workflowId = "workflow//./flow//flow";

function request(rest: Partial<StartRequest>): StartRequest {
  return { workflowId, args: [1], ...rest };
}

function underKey(key: string, fingerprint = "same"): StartRequest {
  return request({ idempotency: { key, fingerprint } });
}

async function runs(): Promise<number> {
  const rows = await one.database.query("SELECT id FROM workflow.workflow_runs");
  return rows.length;
}

function runIdOf(outcome: StartOutcome): string {
  if (outcome.kind === "conflict") throw new Error("a conflict");
  return outcome.runId;
}

test("50 starts that race under one key on two instances are one run, whatever the kind of the key", async () => {
  const kinds: Record<string, StartRequest> = {
    idempotency: underKey("race"),
    own: request({ ownId: { id: "mine", fingerprint: "same" } }),
    once: request({ once: "callback:x" }),
    all: request({
      idempotency: { key: "all", fingerprint: "same" },
      ownId: { id: "all", fingerprint: "same" },
      once: "all",
    }),
  };
  for (const [kind, asked] of Object.entries(kinds)) {
    const before = await runs();
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? one : two).starts.start(asked)),
    );
    expect(new Set(outcomes.map(runIdOf)).size, kind).toBe(1);
    expect(outcomes.filter((outcome) => outcome.kind === "started")).toHaveLength(1);
    expect(await runs()).toBe(before + 1);
  }
  const found = await two.starts.find("mine");
  expect(found).toBe(runIdOf(await one.starts.start(kinds["own"]!)));
  expect(await two.starts.find("nobody's")).toBeUndefined();
});

test("starts that share only some of their keys, in any order, end all, and each key has one run", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      (index % 2 ? one : two).starts.start(
        request({
          idempotency: { key: `part ${index % 4}`, fingerprint: "same" },
          ownId: { id: `part ${index % 3}`, fingerprint: "same" },
        }),
      ),
    ),
  );
  const started = outcomes.filter(({ kind }) => kind === "started");
  expect(started.length).toBeGreaterThan(0);
  expect(started.length).toBeLessThanOrEqual(3);
  const rows = await one.database.query<{ run_id: string }>(
    "SELECT run_id FROM orchestrator.claims WHERE key LIKE '%part%'",
  );
  expect(rows).toHaveLength(started.length * 2);
});

test("the same key with another fingerprint is a conflict on every instance", async () => {
  await one.starts.start(underKey("taken"));
  const refused = await two.starts.start(underKey("taken", "other"));
  expect(refused).toEqual({ kind: "conflict", field: "Idempotency-Key" });
});

test("a process that dies while it stores the run leaves the key free", async () => {
  await one.database.transaction(async (query) => {
    // The run's creation gets as far as its event, and waits there.
    await query("LOCK TABLE workflow.workflow_events IN EXCLUSIVE MODE");
    const starting = startNode([child, postgres.url, "died"], dir);
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while ((await two.database.query(waiting)).length === 0) await sleep(20);
    await starting.stop("SIGKILL");
  });
  const before = await runs();
  expect(await two.starts.start(underKey("died"))).toMatchObject({ kind: "started" });
  expect(await runs()).toBe(before + 1);
});

test("a start whose commit was not answered is found to be stored, with its key", async () => {
  const proxy = await startLossyProxy(postgres.url);
  const lossy = instance(proxy.url);
  proxy.loseAnswerTo("COMMIT");
  const started = await lossy.starts.start(underKey("lost"));
  expect(proxy.lost()).toBe(1);
  expect(started.kind).toBe("started");
  const again = await two.starts.start(underKey("lost"));
  expect(again).toEqual({ kind: "repeated", runId: runIdOf(started) });
  await lossy.close();
  await proxy.close();
});

test("a key belongs to its run for as long as the run is kept", async () => {
  const first = runIdOf(await one.starts.start(underKey("removed")));
  const other = runIdOf(await one.starts.start(underKey("kept")));
  const remove = (runId: string): Promise<unknown> =>
    one.database.query("DELETE FROM workflow.workflow_runs WHERE id = $1", [runId]);
  await remove(first);
  const second = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      (index % 2 ? one : two).starts.start(underKey("removed")),
    ),
  );
  expect(new Set(second.map(runIdOf)).size).toBe(1);
  expect(runIdOf(second[0]!)).not.toBe(first);
  await remove(runIdOf(second[0]!));
  await two.claims.prune();
  const keys = await one.database.query<{ key: string }>("SELECT key FROM orchestrator.claims");
  expect(keys.map(({ key }) => key)).not.toContain("key:removed");
  expect(await one.claims.claimed("key:kept")).toBe(other);
});
