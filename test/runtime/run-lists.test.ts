import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setWorld } from "workflow/runtime";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { callbackWorkflowId, runWorkflow } from "../../src/core/run-workflow.ts";
import { openDatabase } from "../../src/postgres/database.ts";
import { migrate } from "../../src/postgres/migrations.ts";
import type { World } from "../../src/runtime/engine-world.ts";
import { createJournals } from "../../src/runtime/journal.ts";
import { createRunLists, type RunLists } from "../../src/runtime/run-lists.ts";
import { createRunService } from "../../src/runtime/run-service.ts";
import { createRunWatchers } from "../../src/runtime/run-watchers.ts";
import { createRunViews, packInput } from "../../src/runtime/run-views.ts";
import { type InstalledWorld, installWorld } from "../../src/runtime/world.ts";
import type { ResolvedWorld } from "../../src/types/config.ts";
import type { RunAbout } from "../../src/types/engine.ts";
import type { WorkflowEntry } from "../../src/types/manifest.ts";
import type { RunStateName } from "../../src/types/run.ts";
import type { RunFilter, RunInfo } from "../../src/types/service.ts";
import type { EmbeddedWorld } from "../../src/world/index.ts";
import { startEmptyPostgres, type TestPostgres } from "../_support/postgres.ts";
import { planned, storeOutput } from "./support.ts";

const greet: WorkflowEntry & { workflowId: string } = {
  name: "greet",
  workflowId: "workflow//./workflows/greet//greet",
  file: "workflows/greet.ts",
  line: 1,
  parameters: ["input"],
  accepts: "unknown",
};

const worlds: [string, ResolvedWorld][] = [
  ["the embedded World", { type: "embedded", retention: { age: Infinity, count: Infinity } }],
  ["the engine's local World", { type: "target", name: "local" }],
  ["Postgres", { type: "target", name: "@workflow/world-postgres" }],
];

let postgres: TestPostgres | undefined;
let databases = 0;

/** Has a World on Postgres begin with nothing, as each test's does. */
async function emptyPostgres(): Promise<void> {
  postgres ??= await startEmptyPostgres();
  process.env.WORKFLOW_POSTGRES_URL = await postgres.createDatabase(`lists_${databases++}`);
  const database = openDatabase({ url: process.env.WORKFLOW_POSTGRES_URL });
  await migrate(database, { engine: true });
  await database.close();
}

afterAll(() => postgres?.stop());

const states = ["queued", "running", "completed", "failed", "timed_out", "cancelled"] as const;

describe.each(worlds)("on %s", (name, configured) => {
  let dir: string;
  let installed: InstalledWorld;
  let lists: RunLists;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "run-lists-"));
    process.env.WORKFLOW_TARGET_WORLD = "";
    delete process.env.WORKFLOW_LOCAL_DATA_DIR;
    if (name === "Postgres") await emptyPostgres();
    const idle = async (): Promise<Response> => new Response("{}");
    installed = installWorld({
      dataDir: dir,
      configured,
      engine: { flow: idle, step: idle },
      ends: createRunWatchers(),
      news: createRunWatchers(),
      observer: { started: () => undefined, ended: () => undefined },
    });
    // Nothing is delivered, also not to the workflow of ours: what becomes of a run is the test's to say.
    setWorld({ ...installed.world, queue: async () => ({ messageId: null }) });
    lists = createRunLists(installed.findRuns, async () => ({ workflows: [greet] }));
  });

  afterEach(async () => {
    await installed.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** Starts a run, and answers with the engine's id of it. */
  async function start(about?: RunAbout, workflowId = runWorkflow.workflowId): Promise<string> {
    const outcome = await installed.starts.start({
      workflowId,
      args: [await packInput({ jobs: planned("a"), mode: "remote" })],
      ...(about && { about }),
    });
    if (outcome.kind !== "started") throw new Error(outcome.kind);
    return outcome.runId;
  }

  /** Takes a run to a state, as the engine would. */
  async function bring(runId: string, state: RunStateName, ours: boolean): Promise<void> {
    const { events } = installed.world;
    const create = (eventType: string, eventData?: object): Promise<unknown> =>
      events.create(runId, { eventType, ...(eventData && { eventData }) } as never);
    if (state === "queued") return;
    if (state === "cancelled") return void (await create("run_cancelled"));
    const isOutput = ours || state === "completed";
    if (isOutput && state !== "running") {
      return storeOutput(installed.world as unknown as EmbeddedWorld, runId, state);
    }
    await create("run_started");
    if (state !== "running") await create("run_failed", { error: { message: "it broke" } });
  }

  /** All pages of a list. */
  async function allOf(filter: RunFilter): Promise<RunInfo[]> {
    const runs: RunInfo[] = [];
    let cursor: string | undefined;
    do {
      const page = await lists.list({ ...filter, ...(cursor && { cursor }) });
      expect(page.runs.length).toBeLessThanOrEqual(filter.limit ?? 20);
      runs.push(...page.runs);
      ({ cursor } = page);
    } while (cursor);
    return runs;
  }

  test("runs with all that is known of them, and by every filter and several", async () => {
    const expected: RunInfo[] = [];
    for (let index = 0; index < 72; index++) {
      const ours = index % 5 !== 0;
      const state = states[index % states.length]!;
      const about: RunAbout = {
        ...(ours && index % 4 !== 0 && { mode: "local" }),
        ...(index % 3 === 0 && { runId: `own-${index}` }),
        ...(index % 4 === 0 && { tags: ["even", `t${index}`] }),
        ...(index % 7 === 0 && { owner: index % 2 === 0 ? "ci" : "even" }),
        ...(index % 8 === 0 && { metadata: { build: index, nested: { deep: [null] } } }),
      };
      // A run of the app's own does not time out.
      const reached = ours || state !== "timed_out" ? state : "completed";
      const runId = await start(about, ours ? undefined : greet.workflowId);
      await bring(runId, reached, ours);
      expected.unshift({
        ...about,
        runId: about.runId ?? runId,
        workflow: ours ? "run" : "greet",
        mode: ours ? (about.mode ?? "remote") : "workflow",
        state: reached,
        ...(!ours && reached === "failed" && { error: "it broke" }),
        createdAt: expect.any(String),
        ...(reached !== "queued" && reached !== "running" && { completedAt: expect.any(String) }),
      });
      if (index % 9 === 0) await start({ tags: ["even"] }, callbackWorkflowId);
    }
    const every = await allOf({ limit: 100 });
    expect(every).toEqual(expected);
    const times = every.map(({ createdAt }) => createdAt);
    expect(times).toEqual(times.toSorted().reverse());

    const at = (index: number): number => Date.parse(every[index]!.createdAt);
    const filters: RunFilter[] = [
      { limit: 7, tag: "even" },
      { tag: "t40" },
      { tag: "nobody's" },
      { owner: "ci", limit: 2 },
      { owner: "even", tag: "even" },
      { workflow: "run", limit: 33 },
      { workflow: "greet" },
      { workflow: greet.workflowId },
      { workflow: "callback" },
      { workflow: callbackWorkflowId },
      { since: at(30) },
      { until: at(30), limit: 100 },
      { since: at(50), until: at(10), state: "completed", limit: 3 },
      { since: at(10), until: at(50) },
      { workflow: "run", state: "timed_out", tag: "even", limit: 1 },
      { workflow: "greet", state: "failed" },
      ...states.map((state) => ({ state, limit: 5 })),
    ];
    const workflows: Record<string, string> = { [greet.workflowId]: "greet" };
    for (const filter of filters) {
      const { workflow, state, tag, owner, since = 0, until = Infinity } = filter;
      const asked = every
        .filter(
          (run) => workflow === undefined || run.workflow === (workflows[workflow] ?? workflow),
        )
        .filter((run) => state === undefined || run.state === state)
        .filter((run) => tag === undefined || run.tags?.includes(tag))
        .filter((run) => owner === undefined || run.owner === owner)
        .filter(({ createdAt }) => Date.parse(createdAt) >= since && Date.parse(createdAt) < until);
      expect(await allOf(filter), JSON.stringify(filter)).toEqual(asked);
    }
  }, 30_000);

  test("runs that come while pages are turned are on none of the later ones, and none is visited twice", async () => {
    const first: string[] = [];
    for (let index = 0; index < 13; index++) first.unshift(await start());
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await lists.list({ limit: 3, ...(cursor && { cursor }) });
      seen.push(...page.runs.map(({ runId }) => runId));
      ({ cursor } = page);
      await start();
    } while (cursor);
    expect(seen).toEqual(first);
  });

  test("a run changes lists as it goes on, and no other has it", async () => {
    const lists = async (): Promise<string[]> => {
      const found: string[] = [];
      for (const state of states) if ((await allOf({ state })).length > 0) found.push(state);
      return found;
    };
    expect(await lists()).toEqual([]);
    const runId = await start();
    expect(await lists()).toEqual(["queued"]);
    await bring(runId, "running", true);
    expect(await lists()).toEqual(["running"]);
    await bring(runId, "timed_out", true);
    expect(await lists()).toEqual(["timed_out"]);
  });

  test("what is submitted to the run service is listed with its mode, its owner and its metadata", async () => {
    const world = (): World => installed.world;
    const service = createRunService({
      world,
      engine: installed.starts,
      starts: installed.starts,
      views: createRunViews(world, createJournals(world)),
      preview: async () => [],
    });
    const about = { owner: "ci", metadata: { build: 1 }, tags: ["nightly"] };
    const input = { jobs: planned("a"), mode: "local" as const };
    const outcome = await service.submit(input, { ...about, fingerprint: "f" });
    const { runs } = await lists.list({ owner: "ci" });
    expect(runs).toMatchObject([{ ...about, mode: "local", state: "queued" }]);
    expect(outcome).toEqual({ kind: "started", runId: runs[0]!.runId });
  });

  test("any text is a tag and an owner, and each is only itself", async () => {
    const tags = ["a/b", "a", "ä\u{1F600}", "*", "state:failed", `${"x".repeat(99)}1`];
    const runId = await start({ tags, owner: "a" });
    await start({ tags: [`${"x".repeat(99)}2`], owner: "a/b" });
    for (const tag of tags) {
      expect(
        (await allOf({ tag })).map(({ runId }) => runId),
        tag,
      ).toEqual([runId]);
    }
    expect((await allOf({ owner: "a" })).map(({ runId }) => runId)).toEqual([runId]);
    for (const tag of ["b", "A", "", "x".repeat(99)]) expect(await allOf({ tag })).toEqual([]);
  });

  test("what is not there is looked for by the page, however short that of the caller is", async () => {
    for (let index = 0; index < 40; index++) await start({ tags: [index % 13 ? "many" : "few"] });
    const asked = vi.spyOn(installed.world.runs, "list");
    expect(await allOf({ tag: "none", limit: 1 })).toEqual([]);
    expect(asked.mock.calls.length).toBeLessThanOrEqual(2);
    expect(await allOf({ tag: "few", limit: 1 })).toHaveLength(4);
  });

  test("a cursor that no list answered with does no harm", async () => {
    await start();
    for (const cursor of ["zzz", "0", "../..", "9".repeat(500)]) {
      expect((await lists.list({ cursor, tag: "none" })).runs).toEqual([]);
    }
  });
});
