import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openLmdbStore } from "../../src/world/lmdb-store.ts";
import type { EmbeddedWorld, RunLabels } from "../../src/world/types.ts";
import { append, createRun, createStep, folder, openWorld, until } from "./support.ts";

/** A run with something of everything, ended. */
async function endedRun(world: EmbeddedWorld, size = 10): Promise<string> {
  const { runId } = await world.claimStart(
    [{ key: `key-${Math.random()}`, fingerprint: "f" }],
    async (claiming) => createRun(claiming as EmbeddedWorld),
  );
  await append(world, runId, "run_started");
  await createStep(world, runId, `step-${runId}`);
  await append(world, runId, "step_started", { correlationId: `step-${runId}` });
  await append(world, runId, "step_completed", {
    correlationId: `step-${runId}`,
    eventData: { result: new Uint8Array(size) },
  });
  await append(world, runId, "hook_created", {
    correlationId: `hook-${runId}`,
    eventData: { token: `token-${runId}` },
  });
  await append(world, runId, "wait_created", {
    correlationId: "wait",
    eventData: { resumeAt: new Date() },
  });
  await world.writeToStream(`stream-${runId}`, runId, new Uint8Array(size));
  await append(world, runId, "run_completed", { eventData: { output: 1 } });
  return runId;
}

const labels: RunLabels = {
  version: 1,
  of: ({ workflowName, status }) => [workflowName, status],
};

function keysOf(dataDir: string): string[] {
  const store = openLmdbStore({ dataDir, readOnly: true });
  const prefixes =
    "run runs label ended event step steps hook hooks token wait correlation message due stream streams chunk claim claimed closing";
  return prefixes
    .split(" ")
    .flatMap((prefix) => [...store.range({ prefix: `${prefix}/` })].map(({ key }) => key));
}

test("a run that is too old goes with everything of its, one that is not stays", async () => {
  const dataDir = await folder();
  let now = Date.now();
  const world = await openWorld({ dataDir, now: () => now, retention: { age: 1000 }, labels });
  await world.start();
  const old = await endedRun(world);
  const active = await createRun(world);
  await until(async () => (await world.getStreamInfo(`stream-${old}`, old)).done);
  now += 1001;
  expect(await world.prune()).toBe(1);
  await expect(world.runs.get(old)).rejects.toThrow("not found");
  expect((await world.runs.list()).data.map(({ runId }) => runId)).toEqual([active]);
  expect(world.stats().endedRuns).toBe(0);
  await append(world, active, "run_cancelled");
  now += 1001;
  expect(await world.prune()).toBe(1);
  await world.close();
  expect(keysOf(dataDir)).toEqual([]);
});

test("the newest ended runs stay, by count, also when a restart finds too many", async () => {
  const dataDir = await folder();
  const first = await openWorld({ dataDir, retention: { count: 5 } });
  await first.start();
  const runs: string[] = [];
  for (let index = 0; index < 8; index++) runs.push(await endedRun(first));
  await until(() => first.stats().endedRuns === 5);
  await first.close();
  const world = await openWorld({ dataDir, retention: { count: 2 } });
  await world.start();
  await until(() => world.stats().endedRuns === 2);
  await world.prune();
  const { data } = await world.runs.list();
  expect(data.map(({ runId }) => runId).sort()).toEqual(runs.slice(-2).sort());
});

test("space is used again", async () => {
  const dataDir = await folder();
  const world = await openWorld({ dataDir, retention: { count: 3 } });
  await world.start();
  const sizes: number[] = [];
  for (let round = 0; round < 6; round++) {
    for (let index = 0; index < 10; index++) await endedRun(world, 50_000);
    await world.prune();
    sizes.push((await stat(join(dataDir, "data.mdb"))).size);
  }
  // The first rounds fill it; later ones live on the pages that the earlier ones left.
  expect(sizes.at(-1)).toBeLessThan(sizes[1]! * 1.5);
});
