import * as fc from "fast-check";
import { expect, test } from "vitest";
import { openLmdbStore } from "../../src/world/lmdb-store.ts";
import type { RunQuery } from "../../src/types/run-query.ts";
import type { EmbeddedWorld, RunLabels } from "../../src/world/types.ts";
import { violations } from "./invariants.ts";
import { append, createRun, folder, openWorld } from "./support.ts";

/** A run's colour, which its creation says, and how it ended. */
const labels: RunLabels = {
  version: 1,
  of: ({ executionContext, status, output }) => [
    ...((executionContext?.["colours"] as string[] | undefined) ?? []),
    ...(status === "completed" ? [`result:${String(output)}`] : []),
  ],
};

async function create(
  world: EmbeddedWorld,
  colours: string[],
  workflowName = "flow",
): Promise<string> {
  const { run } = await append(world, null, "run_created", {
    eventData: {
      deploymentId: "here",
      workflowName,
      input: new Uint8Array([1]),
      executionContext: { colours },
    },
  });
  return run!.runId;
}

async function complete(world: EmbeddedWorld, runId: string, output: string): Promise<void> {
  await append(world, runId, "run_started");
  await append(world, runId, "run_completed", { eventData: { output } });
}

/** The runs that a query finds, over all its pages. */
async function found(world: EmbeddedWorld, query: Partial<RunQuery>): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await world.listRuns({ limit: 3, ...query, ...(cursor && { cursor }) });
    if (cursor) expect(page.runs).not.toEqual([]);
    ids.push(...page.runs.map(({ run }) => run.runId));
    ({ cursor } = page);
    if (cursor) expect(page.runs.length).toBe(query.limit ?? 3);
  } while (cursor);
  return ids;
}

/** What is wrong with a folder's lists, once its World is closed. */
async function wrongIn(dataDir: string, of = labels.of): Promise<string[]> {
  const store = openLmdbStore({ dataDir, readOnly: true });
  const wrong = violations(store, of);
  await store.close();
  return wrong;
}

const colour = fc.constantFrom("red", "green", "", "with / and \u{1F600}", "x".repeat(5000));
const end = fc.constantFrom(undefined, "run_started", "run_cancelled", "good", "bad");

test("any query finds what going through all runs finds, the newest first", async () => {
  const run = fc.record({
    colours: fc.uniqueArray(colour),
    flow: fc.constantFrom("a", "b"),
    end,
    later: fc.nat(2),
  });
  const query = fc.record(
    {
      labels: fc.array(fc.oneof(colour, fc.constantFrom("result:good", "result:bad", "nobody's")), {
        maxLength: 3,
      }),
      workflowName: fc.constantFrom("a", "b", "c"),
      status: fc.constantFrom("pending", "running", "completed", "cancelled"),
      exceptWorkflows: fc.subarray(["a", "c"]),
      since: fc.integer({ min: -1, max: 20 }),
      until: fc.integer({ min: -1, max: 20 }),
      limit: fc.integer({ min: 1, max: 6 }),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(run, { maxLength: 12 }),
      fc.array(query, { minLength: 1, maxLength: 6 }),
      async (runs, queries) => {
        const began = Date.now();
        let now = began;
        const world = await openWorld({ labels, now: () => now });
        for (const { colours, flow, end, later } of runs) {
          now += later;
          const runId = await create(world, colours, flow);
          if (end?.startsWith("run_")) await append(world, runId, end);
          else if (end !== undefined) await complete(world, runId, end);
        }
        const { data: all } = await world.runs.list({ pagination: { limit: 1000 } });
        for (const { since, until, ...rest } of queries) {
          const query = {
            ...rest,
            ...(since !== undefined && { since: began + since }),
            ...(until !== undefined && { until: began + until }),
          };
          const expected = all
            .filter((run) => query.labels?.every((label) => labels.of(run).includes(label)) ?? true)
            .filter((run) => (query.workflowName ?? run.workflowName) === run.workflowName)
            .filter((run) => (query.status ?? run.status) === run.status)
            .filter((run) => !query.exceptWorkflows?.includes(run.workflowName))
            .filter((run) => run.createdAt.getTime() >= (query.since ?? 0))
            .filter((run) => run.createdAt.getTime() < (query.until ?? Infinity))
            .map(({ runId }) => runId);
          expect(await found(world, query), JSON.stringify(query)).toEqual(expected);
        }
        await world.close();
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

test("a page has the runs without their data, and all their labels", async () => {
  const world = await openWorld({ labels });
  const runId = await create(world, ["red", "red"]);
  await complete(world, runId, "good");
  const { runs } = await world.listRuns({ labels: ["red", "result:good", "red"], limit: 5 });
  expect(runs).toMatchObject([{ run: { runId, status: "completed" } }]);
  expect(runs[0]!.labels).toEqual(["red", "result:good"]);
  expect([runs[0]!.run.input, runs[0]!.run.output]).toEqual([undefined, undefined]);
});

test("one among thousands is found, however far back, and the pages end", async () => {
  const world = await openWorld({ labels });
  const rare = await create(world, ["red", "rare"]);
  await Promise.all(Array.from({ length: 5200 }, () => create(world, ["red", "blue"])));
  expect(await found(world, { labels: ["red", "rare"] })).toEqual([rare]);
  expect(await found(world, { labels: ["rare", "blue"] })).toEqual([]);
  // All but one are left out, one by one.
  await create(world, ["rare"], "other");
  expect(await found(world, { exceptWorkflows: ["flow"] })).toHaveLength(1);
}, 30_000);

test("what is told is on the disk", async () => {
  const dataDir = await folder();
  const world = await openWorld({ dataDir, labels });
  let stored = false;
  const creation = create(world, ["red"]).then(() => (stored = true));
  await new Promise(process.nextTick);
  const later = world.listRuns({ since: Date.now() + 60_000, limit: 1 });
  expect((await world.listRuns({ labels: ["red"], limit: 1 })).runs).toHaveLength(1);
  const reader = await openWorld({ dataDir, labels, readOnly: true });
  expect((await reader.listRuns({ labels: ["red"], limit: 1 })).runs).toHaveLength(1);
  expect(await later).toEqual({ runs: [] });
  await creation;
  expect(stored).toBe(true);
});

test("a folder without labels gets them at the start, while its runs go on", async () => {
  const dataDir = await folder();
  const before = await openWorld({ dataDir });
  const ids: string[] = [];
  for (let index = 0; index < 350; index++) {
    ids.unshift(await create(before, [index % 2 === 0 ? "even" : "odd"]));
  }
  await before.close();
  const reader = await openWorld({ dataDir, labels, readOnly: true });
  await expect(reader.listRuns({ labels: ["odd"], limit: 1 })).rejects.toThrow("for reading only");
  await reader.close();
  const world = await openWorld({ dataDir, labels });
  await world.start();
  const changes = [...ids.slice(0, 3), ...ids.slice(-3)].map((id) => complete(world, id, "good"));
  const added = create(world, ["odd"]);
  const listed = await found(world, { labels: ["odd"], limit: 200 });
  await Promise.all(changes);
  expect(listed).toEqual([await added, ...ids.filter((_, index) => index % 2 === 0)]);
  expect((await found(world, { labels: ["result:good"] })).length).toBe(6);
  await world.close();
  expect(await wrongIn(dataDir)).toEqual([]);
});

test("a World without labels, or with others, between two leaves none wrong behind", async () => {
  const dataDir = await folder();
  const began = Date.now();
  const first = await openWorld({ dataDir, labels, now: () => began });
  const [one, two] = [await create(first, ["red"]), await create(first, ["red"])];
  await first.close();
  // Knows nothing of labels: one that ends gets none, and one that is removed leaves its own behind.
  const older = await openWorld({ dataDir, retention: { count: 0 }, now: () => began + 1 });
  const three = await create(older, ["red"]);
  await older.start();
  await complete(older, two, "good");
  await older.prune();
  await older.close();
  const again = await openWorld({ dataDir, labels });
  expect(await found(again, { labels: ["red"] })).toEqual([three, one]);
  await again.close();
  expect(await wrongIn(dataDir)).toEqual([]);
  const others: RunLabels = { version: 2, of: () => ["all"] };
  const changed = await openWorld({ dataDir, labels: others });
  expect(await found(changed, { labels: ["red"] })).toEqual([]);
  expect(await found(changed, { labels: ["all"] })).toEqual([three, one]);
  await changed.close();
  expect(await wrongIn(dataDir, others.of)).toEqual([]);
});

test("complete lists are not made anew, also after a crash", async () => {
  const dataDir = await folder();
  const first = await openWorld({ dataDir, labels });
  await createRun(first);
  const runId = await create(first, ["red"]);
  await complete(first, runId, "good");
  // Not closed: another World of the process takes over, as after a crash.
  let asked = 0;
  const counting: RunLabels = {
    version: 1,
    of: (run) => {
      asked++;
      return labels.of(run);
    },
  };
  const second = await openWorld({ dataDir, labels: counting });
  await second.start();
  expect(await found(second, { labels: ["nobody's"] })).toEqual([]);
  expect(asked).toBe(0);
});
