import { setWorld } from "workflow/runtime";
import { beforeEach, expect, test } from "vitest";
import type { World } from "../../src/runtime/engine-world.ts";
import type { RunService } from "../../src/types/engine.ts";
import type { RunFilter } from "../../src/types/service.ts";
import type { WorkflowEntry } from "../../src/types/manifest.ts";
import type { RunListEntry } from "../../src/types/run.ts";
import type { EmbeddedWorld } from "../../src/world/index.ts";
import { append, openWorld } from "../world/support.ts";
import { planned, serviceOn, storeOutput, submit } from "./support.ts";

const greet: WorkflowEntry & { workflowId: string } = {
  name: "greet",
  workflowId: "workflow//./workflows/greet//greet",
  file: "workflows/greet.ts",
  line: 1,
  parameters: ["input"],
  accepts: "unknown",
};

let world: EmbeddedWorld;
let service: RunService;

beforeEach(async () => {
  world = await openWorld();
  setWorld(world as unknown as World);
  ({ service } = serviceOn(world, undefined, [greet]));
});

/** All pages of a list. */
async function allOf(filter: RunFilter): Promise<{ runs: RunListEntry[]; pages: number }> {
  const runs: RunListEntry[] = [];
  let pages = 0;
  let cursor: string | undefined;
  do {
    const page = await service.list({ ...filter, ...(cursor && { cursor }) });
    expect(page.runs.length).toBeLessThanOrEqual(filter.limit ?? 20);
    runs.push(...page.runs);
    ({ cursor } = page);
    pages++;
  } while (cursor);
  return { runs, pages };
}

const ids = (runs: RunListEntry[]): string[] => runs.map(({ runId }) => runId);

/** Takes a run to a state, as the engine would. */
const ways: Record<RunListEntry["state"], (runId: string) => Promise<unknown>> = {
  queued: async () => undefined,
  running: (runId) => append(world, runId, "run_started"),
  completed: (runId) => storeOutput(world, runId, "completed"),
  failed: (runId) => storeOutput(world, runId, "failed"),
  timed_out: (runId) => storeOutput(world, runId, "timed_out"),
  cancelled: (runId) => append(world, runId, "run_cancelled"),
};

test("1,000 runs: the newest first, each visited once, by tag, workflow and state", async () => {
  const states = Object.keys(ways) as RunListEntry["state"][];
  const expected: RunListEntry[] = [];
  for (let index = 0; index < 1000; index++) {
    const ours = index % 10 !== 0;
    const state = states[index % states.length]!;
    const about = {
      ...(index % 3 === 0 && { runId: `own-${index}` }),
      ...(index % 4 === 0 && { tags: ["even", `t${index}`] }),
    };
    const runId = await submit(world, planned("a"), {
      about,
      ...(!ours && { workflowId: greet.workflowId }),
    });
    // A run of the app's own has the engine's states only.
    const reached = ours || state !== "timed_out" ? state : "completed";
    await ways[reached](runId);
    const engineState = !ours && reached === "failed" ? "completed" : reached;
    expected.unshift({
      ...about,
      runId: about.runId ?? runId,
      workflow: ours ? "run" : "greet",
      state: engineState,
      createdAt: expect.any(String),
      ...(reached !== "queued" && reached !== "running" && { completedAt: expect.any(String) }),
    });
  }
  const every = await allOf({ limit: 100 });
  expect(every.runs).toEqual(expected);
  expect(every.pages).toBeLessThanOrEqual(11);
  const times = every.runs.map(({ createdAt }) => createdAt);
  expect(times).toEqual(times.toSorted().reverse());
  expect(ids((await allOf({ limit: 7, tag: "even" })).runs)).toEqual(
    ids(expected.filter(({ tags }) => tags?.includes("even"))),
  );
  expect(ids((await allOf({ tag: "t400" })).runs)).toEqual(
    ids(expected.filter(({ tags }) => tags?.includes("t400"))),
  );
  for (const state of states) {
    expect(ids((await allOf({ state, limit: 33 })).runs), state).toEqual(
      ids(expected.filter((run) => run.state === state)),
    );
  }
  for (const workflow of ["run", "greet"]) {
    expect(ids((await allOf({ workflow, limit: 100 })).runs), workflow).toEqual(
      ids(expected.filter((run) => run.workflow === workflow)),
    );
  }
  expect(
    ids((await allOf({ workflow: "run", state: "timed_out", tag: "even", limit: 10 })).runs),
  ).toEqual(
    ids(
      expected.filter(
        ({ workflow, state, tags }) =>
          workflow === "run" && state === "timed_out" && tags?.includes("even"),
      ),
    ),
  );
}, 30_000);

test("runs that come while pages are turned are on none of the later ones, and none is visited twice", async () => {
  const first: string[] = [];
  for (let index = 0; index < 25; index++) first.unshift(await submit(world, planned("a")));
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await service.list({ limit: 4, ...(cursor && { cursor }) });
    seen.push(...ids(page.runs));
    ({ cursor } = page);
    await submit(world, planned("late"));
  } while (cursor);
  expect(seen).toEqual(first);
});

test("a state and a workflow that no run has make an empty list; a run changes lists as it ends", async () => {
  expect(await service.list({})).toEqual({ runs: [] });
  expect(await service.list({ workflow: "nobody" })).toEqual({ runs: [] });
  const runId = await submit(world, planned("a"));
  expect(ids((await service.list({ state: "queued" })).runs)).toEqual([runId]);
  expect(await service.list({ state: "timed_out" })).toEqual({ runs: [] });
  await storeOutput(world, runId, "timed_out");
  expect(ids((await service.list({ state: "timed_out" })).runs)).toEqual([runId]);
  for (const state of ["queued", "running", "completed", "failed"] as const) {
    expect(await service.list({ state }), state).toEqual({ runs: [] });
  }
});
