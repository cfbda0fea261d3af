import { expect, test } from "vitest";
import type { World } from "../../src/runtime/engine-world.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { observeRuns } from "../../src/runtime/observe-runs.ts";
import type { Log } from "../../src/types/observe.ts";
import { append, createRun, openWorld } from "../world/support.ts";

/** A log that keeps what it is told. */
function recorder(): { lines: [object, string][]; log: Log } {
  const lines: [object, string][] = [];
  const write = (about: object, message: string): void => void lines.push([about, message]);
  const log: Log = { info: write, warn: write, error: write, child: () => log };
  return { lines, log };
}

test("a run that ends while the server does is told of, and nothing once the World is closed", async () => {
  const world = await openWorld();
  const { lines, log } = recorder();
  const manifest = async () => {
    // As long as the bundle of an app in dev takes to be read.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { workflows: [] };
  };
  const observer = observeRuns({
    world: () => world as unknown as World,
    manifest,
    metrics: createMetrics(),
    log,
  });
  const [one, other] = [await createRun(world), await createRun(world)];
  for (const runId of [one, other]) await append(world, runId, "run_cancelled");
  observer.ended(one);
  await observer.close();
  expect(lines).toEqual([[expect.objectContaining({ run_id: one }), "run ended"]]);
  await world.close();
  observer.ended(other);
  await observer.close();
  expect(lines).toHaveLength(1);
});
