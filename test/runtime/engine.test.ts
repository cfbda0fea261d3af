import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createClaims } from "../../src/runtime/claims.ts";
import { createEngine } from "../../src/runtime/engine.ts";
import { createRunWatchers } from "../../src/runtime/run-watchers.ts";
import { claimStarts } from "../../src/runtime/starts.ts";
import type { World } from "../../src/runtime/engine-world.ts";
import { type InstalledWorld, installWorld } from "../../src/runtime/world.ts";
import type { ResolvedWorld } from "../../src/types/config.ts";
import type { RunEngine } from "../../src/types/engine.ts";

const workflowId = "workflow//./workflows/a//a";

const worlds: [string, ResolvedWorld][] = [
  ["the embedded World", { type: "embedded", retention: { age: 1000, count: 10 } }],
  ["the engine's local World", { type: "target", name: "local" }],
];

describe.each(worlds)("on %s", (_name, configured) => {
  let dir: string;
  let installed: InstalledWorld;
  let world: World;
  let engine: RunEngine;
  let closing: AbortController;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "engine-"));
    // As good as unset: the engine takes it for none, and so must we.
    process.env.WORKFLOW_TARGET_WORLD = "";
    delete process.env.WORKFLOW_LOCAL_DATA_DIR;
    const ends = createRunWatchers();
    closing = new AbortController();
    // Messages are taken and nothing comes of them: a run goes on for as long as the test wants.
    const idle = async (): Promise<Response> => new Response("{}");
    installed = installWorld({
      dataDir: dir,
      configured,
      engine: { flow: idle, step: idle },
      ends,
      news: createRunWatchers(),
      observer: { started: () => undefined, ended: () => undefined },
    });
    world = installed.world;
    engine = createEngine(installed.starts, ends, closing.signal);
  });

  afterEach(() => void vi.useRealTimers());

  afterAll(async () => {
    await installed.close();
    await rm(dir, { recursive: true, force: true });
  });

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

  test.each([
    ["without a key", "ü", undefined],
    ["under a key", "ö", { key: "refused", fingerprint: "asked" }],
  ])("a run that cannot be queued is withdrawn, %s", async (_how, file, idempotency) => {
    const unfit = `workflow//./${file}//a`;
    const refused = engine.start({
      workflowId: unfit,
      args: [],
      ...(idempotency && { idempotency }),
    });
    await expect(refused).rejects.toThrow("Invalid workflow name");
    const page = await world.runs.list({ workflowName: unfit });
    expect(page.data.map((run) => run.status)).toEqual(["cancelled"]);
  });

  test("200 racing starts under one key are one run", async () => {
    const request = { workflowId, args: [], idempotency: { key: "race", fingerprint: "asked" } };
    const outcomes = await Promise.all(Array.from({ length: 200 }, () => engine.start(request)));
    expect(outcomes.filter(({ kind }) => kind === "started")).toHaveLength(1);
    expect(new Set(outcomes.map((outcome) => "runId" in outcome && outcome.runId)).size).toBe(1);
    const other = { ...request, idempotency: { key: "race", fingerprint: "other" } };
    expect((await engine.start(other)).kind).toBe("conflict");
  });
});

test("beside another World, a key whose run was never stored is free again", async () => {
  const dir = await mkdtemp(join(tmpdir(), "claims-"));
  process.env.WORKFLOW_LOCAL_DATA_DIR = dir;
  const claims = createClaims(dir);
  const fingerprint = createHash("sha256").update("asked").digest("hex");
  await claims.claim("key:lost", { runId: "wrun_01M7X06WHCATXBPGH1M8EG0P5A", fingerprint });
  const starts = claimStarts(claims);
  const idempotency = { key: "lost", fingerprint: "asked" };
  const request = { workflowId, args: [], idempotency };
  const first = await starts.start(request);
  expect(first.kind).toBe("started");
  expect(await starts.start(request)).toEqual({ ...first, kind: "repeated" });
  await rm(dir, { recursive: true, force: true });
});
