import { expect, test } from "vitest";
import type { EmbeddedWorld } from "../../src/world/types.ts";
import { append, createRun, openWorld } from "./support.ts";

test("a run's creation is told when it is stored, however it is started, and open runs are counted", async () => {
  const world = await openWorld();
  const told: string[] = [];
  const off = world.onRunStart(({ runId, workflowName }) => told.push(`${workflowName} ${runId}`));
  expect(world.countOpenRuns()).toEqual({ pending: 0, running: 0 });
  const plain = await createRun(world, "plain");
  const claimed = await world.claimStart([{ key: "k", fingerprint: "f" }], async (claiming) =>
    createRun(claiming as EmbeddedWorld, "claimed"),
  );
  await world.claimStart([{ key: "k", fingerprint: "f" }], async () => "never");
  expect(told).toEqual([`plain ${plain}`, `claimed ${claimed.runId}`]);
  expect(world.countOpenRuns()).toEqual({ pending: 2, running: 0 });
  await append(world, plain, "run_started");
  expect(world.countOpenRuns()).toEqual({ pending: 1, running: 1 });
  await append(world, plain, "run_cancelled");
  expect(world.countOpenRuns()).toEqual({ pending: 1, running: 0 });
  off();
  await createRun(world);
  expect(told).toHaveLength(2);
});
