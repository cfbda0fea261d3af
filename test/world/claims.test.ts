import { expect, test } from "vitest";
import { start } from "workflow/api";
import type { EmbeddedWorld } from "../../src/world/types.ts";
import { append, collect, FLOW, folder, openWorld, until } from "./support.ts";

/** Starts a run with the engine's own `start`. */
function claimStart(
  world: EmbeddedWorld,
  key: string,
  fingerprint = "same",
): ReturnType<EmbeddedWorld["claimStart"]> {
  return world.claimStart([{ key, fingerprint }], async (claiming) => {
    const run = await start({ workflowId: "workflow//./flow//flow" }, [1], { world: claiming });
    return run.runId;
  });
}

test("200 racing starts under one key are one run, over a restart too", async () => {
  const dataDir = await folder();
  const first = await openWorld({ dataDir });
  const outcomes = await Promise.all(Array.from({ length: 200 }, () => claimStart(first, "key")));
  const started = outcomes.filter(({ kind }) => kind === "started");
  expect(started).toHaveLength(1);
  const { runId } = started[0]!;
  expect(new Set(outcomes.map((outcome) => outcome.runId))).toEqual(new Set([runId]));
  await first.close();
  const world = await openWorld({ dataDir });
  const later = await Promise.all(Array.from({ length: 200 }, () => claimStart(world, "key")));
  expect(later).toEqual(Array.from({ length: 200 }, () => ({ kind: "repeated", runId })));
  expect((await world.runs.list()).data).toHaveLength(1);
  const woken = collect(world, FLOW);
  await world.start();
  await until(() => woken.length === 1);
});

test("one key with another fingerprint is a conflict; keys do not hold each other up", async () => {
  const world = await openWorld();
  const { runId } = await claimStart(world, "a");
  expect(await claimStart(world, "a", "other")).toEqual({ kind: "conflict", runId, key: "a" });
  expect(await claimStart(world, "b", "other")).toMatchObject({ kind: "started" });
});

test("several claims of one start stand or fall together", async () => {
  const world = await openWorld();
  const claims = ["key:1", "run:mine"].map((key) => ({ key, fingerprint: "same" }));
  const create = async (claiming: { events: EmbeddedWorld["events"] }): Promise<string> =>
    (
      await append(claiming as EmbeddedWorld, null, "run_created", {
        eventData: { deploymentId: "d", workflowName: "w", input: 1 },
      })
    ).run!.runId;
  const [one, two] = await Promise.all([
    world.claimStart(claims, create),
    world.claimStart(claims.toReversed(), create),
  ]);
  expect([one.kind, two.kind].sort()).toEqual(["repeated", "started"]);
  expect(await world.claimStart([claims[1]!], create)).toEqual({
    kind: "repeated",
    runId: one.runId,
  });
});

test("a start that fails claims nothing", async () => {
  const world = await openWorld();
  const failing = world.claimStart([{ key: "key", fingerprint: "f" }], async () => {
    throw new Error("before the run");
  });
  await expect(failing).rejects.toThrow("before the run");
  expect(await claimStart(world, "key")).toMatchObject({ kind: "started" });
});
