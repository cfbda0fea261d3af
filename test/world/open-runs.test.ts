import { expect, test } from "vitest";
import { append, createRun, openWorld } from "./support.ts";

test("open runs are counted, of all workflows or of one; a run's start is told with its workflow", async () => {
  const world = await openWorld();
  const told: unknown[] = [];
  world.onRunChange((change) => told.push(change));
  expect(world.countOpenRuns()).toEqual({ pending: 0, running: 0 });
  const runId = await createRun(world, "mine");
  await createRun(world, "other");
  expect(world.countOpenRuns()).toEqual({ pending: 2, running: 0 });
  await append(world, runId, "run_started");
  await append(world, runId, "run_started");
  expect(world.countOpenRuns()).toEqual({ pending: 1, running: 1 });
  expect(world.countOpenRuns("mine")).toEqual({ pending: 0, running: 1 });
  await append(world, runId, "run_cancelled");
  expect(world.countOpenRuns()).toEqual({ pending: 1, running: 0 });
  expect(told).toEqual([
    { runId, workflowName: "mine", status: "running" },
    { runId, workflowName: "mine", status: "cancelled" },
  ]);
});
