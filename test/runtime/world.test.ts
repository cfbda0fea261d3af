import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRunWatchers } from "../../src/runtime/run-watchers.ts";
import type { World } from "../../src/runtime/engine-world.ts";
import { installWorld } from "../../src/runtime/world.ts";

const told: string[] = [];
const observer = {
  started: (workflowId: string) => void told.push(`${workflowId} started`),
  ended: (id: string) => void told.push(`${id} ended`),
};

let dir: string;
let world: World;
const ends = createRunWatchers();
let runId: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "world-"));
  const unused = async (): Promise<Response> => new Response();
  const engine = { flow: unused, step: unused };
  const configured = { type: "target" as const, name: "local" };
  world = installWorld({
    dataDir: dir,
    configured,
    engine,
    ends,
    news: createRunWatchers(),
    observer,
  }).world;
  const { run } = await world.events.create(null, {
    eventType: "run_created",
    eventData: { deploymentId: "d", workflowName: "w", input: [] },
  });
  runId = run!.runId;
  await world.events.create(runId, { eventType: "run_started" });
});

afterAll(() => rm(dir, { recursive: true, force: true }));

async function eventIds(): Promise<string[]> {
  const page = await world.events.list({
    runId,
    pagination: { sortOrder: "asc", limit: 1000 },
  });
  return page.data.map((event) => event.eventId);
}

function step(correlationId: string, input: string): Promise<unknown> {
  const eventData = { stepName: "s", input };
  return world.events.create(runId, { eventType: "step_created", correlationId, eventData });
}

test("what a replay reads of a run is only ever added to, though events are stored at once", async () => {
  // Begun first, and so numbered first, but long to write.
  const long = step("step_long", "x".repeat(16 * 1024 * 1024));
  await Promise.all(Array.from({ length: 20 }, (_, i) => step(`step_${i}`, "short")));
  const early = await eventIds();
  await long;
  const late = await eventIds();
  expect(late.slice(0, early.length)).toEqual(early);
  expect(late).toHaveLength(23);
});

test("an event that is refused does not hold up the next", async () => {
  const refused = world.events.create(runId, {
    eventType: "step_completed",
    correlationId: "step_unknown",
    eventData: { result: 1 },
  });
  const next = world.events.create(runId, {
    eventType: "step_created",
    correlationId: "step_next",
    eventData: { stepName: "s", input: 1 },
  });
  await expect(refused).rejects.toThrow();
  await expect(next).resolves.toBeDefined();
});

test("who waits for a run's end is told of it, and who watches runs of its start too", async () => {
  let woken = 0;
  const stop = ends.subscribe(runId, () => woken++);
  await world.events.create(runId, { eventType: "run_cancelled" });
  expect(woken).toBe(1);
  expect(told).toEqual(["w started", `${runId} ended`]);
  stop();
  ends.notify(runId);
  expect(woken).toBe(1);
});
