import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { createClaims } from "../../src/runtime/claims.ts";
import { createEngine } from "../../src/runtime/engine.ts";
import { createRunEnds } from "../../src/runtime/run-ends.ts";
import { installWorld, type World } from "../../src/runtime/world.ts";
import type { RunEngine } from "../../src/types/engine.ts";

let dir: string;
let world: World;
let engine: RunEngine;
const closing = new AbortController();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "engine-"));
  const ends = createRunEnds();
  // Messages are taken and nothing comes of them: a run goes on for as long as the test wants.
  const idle = async (): Promise<Response> => new Response("{}");
  world = installWorld(dir, { flow: idle, step: idle }, ends).world;
  engine = createEngine(createClaims(dir), ends, closing.signal);
});

afterEach(() => void vi.useRealTimers());

afterAll(() => rm(dir, { recursive: true, force: true }));

const workflowId = "workflow//./workflows/a//a";

async function started(): Promise<string> {
  const outcome = await engine.start({ workflowId, args: [] });
  if (outcome.kind !== "started") throw new Error(outcome.kind);
  return outcome.runId;
}

test("a wait is pushed its end: it sleeps through no interval", async () => {
  const runId = await started();
  // With timers that never fire, only the push can wake it.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const waiting = engine.wait(runId, 30_000);
  await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
  await world.events.create(runId, { eventType: "run_cancelled" });
  expect((await waiting)?.state).toBe("cancelled");
});

test("a wait ends when its caller leaves, or when the process is to end", async () => {
  const runId = await started();
  const caller = new AbortController();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const [left, closed] = [engine.wait(runId, 30_000, caller.signal), engine.wait(runId, 30_000)];
  await vi.waitFor(() => expect(vi.getTimerCount()).toBe(2));
  caller.abort();
  expect((await left)?.state).toBe("queued");
  closing.abort();
  expect((await closed)?.state).toBe("queued");
  expect(vi.getTimerCount()).toBe(0);
});

test("a run that cannot be queued is withdrawn, so that it never starts unasked", async () => {
  const refused = engine.start({ workflowId: "workflow//./ü//a", args: [] });
  await expect(refused).rejects.toThrow("Invalid workflow name");
  const page = await world.runs.list({ workflowName: "workflow//./ü//a" });
  expect(page.data.map((run) => run.status)).toEqual(["cancelled"]);
});

test("a key whose run was never stored is free again", async () => {
  const claims = createClaims(dir);
  const { createHash } = await import("node:crypto");
  const fingerprint = createHash("sha256").update("asked").digest("hex");
  await claims.claim("lost", { runId: "wrun_01M7X06WHCATXBPGH1M8EG0P5A", fingerprint });
  const request = { workflowId, args: [], idempotency: { key: "lost", fingerprint: "asked" } };
  const first = await engine.start(request);
  expect(first.kind).toBe("started");
  expect(await engine.start(request)).toEqual({ ...first, kind: "repeated" });
});
