import { expect } from "vitest";
import { rule, type Rule } from "./rule.ts";
import {
  append,
  createStep,
  end,
  history,
  log,
  newHook,
  newId,
  newRun,
  newStep,
  runningRun,
  sleep,
} from "./support.ts";

interface Pagination {
  cursor?: string;
  limit?: number;
  sortOrder?: "asc" | "desc";
}

interface Page<T> {
  data: T[];
  cursor: string | null;
  hasMore: boolean;
}

/** Lists: every item once, in order, also while others write. */
export const listRules: Rule[] = [
  rule("events come oldest first, newest first on demand, page by page", async ({ world }) => {
    const runId = await runningRun(world);
    for (let i = 0; i < 9; i++) {
      await newStep(world, runId);
    }
    const all = (await log(world, runId)).map((event) => event.eventId);
    expect(all).toHaveLength(11);
    const events = (pagination: Pagination) => world.events.list({ runId, pagination });
    for (const limit of [1, 4, 11, 50]) {
      expect(ids(await walk(events, { limit }), "eventId")).toEqual(all);
      const newest = await walk(events, { limit, sortOrder: "desc" });
      expect(ids(newest, "eventId")).toEqual([...all].reverse());
    }
  }),
  rule("a page says whether more follows", async ({ world }) => {
    const runId = await runningRun(world);
    const full = await world.events.list({ runId, pagination: { limit: 2 } });
    expect([full.data.length, full.hasMore]).toEqual([2, false]);
    const first = await world.events.list({ runId, pagination: { limit: 1 } });
    expect([first.data.length, first.hasMore, typeof first.cursor]).toEqual([1, true, "string"]);
    const none = await world.events.list({ runId: newId("wrun") });
    expect(none).toEqual({ data: [], cursor: null, hasMore: false });
  }),
  rule("the last page's cursor goes on with what is appended later", async ({ world }) => {
    const runId = await runningRun(world);
    const { cursor } = await world.events.list({ runId, pagination: { sortOrder: "asc" } });
    const pagination = { cursor: cursor!, sortOrder: "asc" } as const;
    expect((await world.events.list({ runId, pagination })).data).toEqual([]);
    const stepId = await newStep(world, runId);
    const { data } = await world.events.list({ runId, pagination });
    expect(data).toMatchObject([{ eventType: "step_created", correlationId: stepId }]);
  }),
  rule("a reader of pages misses and repeats nothing while others append", async ({ world }) => {
    const runId = await runningRun(world);
    const steps = Array.from({ length: 30 }, () => newId("step"));
    let appended = false;
    const appending = (async () => {
      for (const stepId of steps) {
        await createStep(world, runId, stepId);
      }
      appended = true;
    })();
    const seen: string[] = [];
    let cursor: string | undefined;
    for (let behind = true; behind;) {
      const last = appended;
      const pagination: Pagination = { limit: 3, sortOrder: "asc", cursor };
      const page: Page<{ eventId: string }> = await world.events.list({ runId, pagination });
      seen.push(...ids(page.data, "eventId"));
      cursor = page.cursor ?? cursor;
      behind = !last || page.data.length > 0;
      // A World that answers from memory would otherwise never let the writer have its turn.
      await sleep(0);
    }
    await appending;
    expect(seen).toEqual(ids(await log(world, runId), "eventId"));
  }),
  rule("newest first, later appends do not shift the pages", async ({ world }) => {
    const runId = await runningRun(world);
    for (let i = 0; i < 6; i++) {
      await newStep(world, runId);
    }
    const expected = ids(await log(world, runId), "eventId").reverse();
    const newest = await walk(
      async (pagination) => {
        const page = await world.events.list({ runId, pagination });
        await newStep(world, runId);
        return page;
      },
      { limit: 3, sortOrder: "desc" },
    );
    expect(ids(newest, "eventId")).toEqual(expected);
  }),
  rule("events are found by correlation id, within a run on demand", async ({ world }) => {
    const runId = await runningRun(world);
    const [stepId, other] = [await newStep(world, runId), await newStep(world, runId)];
    await append(world, runId, "step_started", { correlationId: stepId });
    await append(world, runId, "step_started", { correlationId: other });
    const eventData = { result: "done" };
    await append(world, runId, "step_completed", { correlationId: stepId, eventData });
    const types = ["step_created", "step_started", "step_completed"];
    for (const scope of [{}, { runId }]) {
      const found = (pagination: Pagination) =>
        world.events.listByCorrelationId({ correlationId: stepId, ...scope, pagination });
      expect(ids((await found({})).data, "eventType")).toEqual(types);
      expect(ids(await walk(found, { limit: 2 }), "eventType")).toEqual(types);
      const newest = await walk(found, { limit: 2, sortOrder: "desc" });
      expect(ids(newest, "eventType")).toEqual([...types].reverse());
    }
    const elsewhere = { correlationId: stepId, runId: newId("wrun") };
    expect((await world.events.listByCorrelationId(elsewhere)).data).toEqual([]);
  }),
  rule("runs come newest first, filtered by name and by status", async ({ world }) => {
    const workflowName = newId("workflow");
    const runs: string[] = [];
    for (let i = 0; i < 7; i++) {
      runs.unshift(await newRun(world, { workflowName }));
    }
    await newRun(world, { workflowName: `${workflowName}x` });
    await append(world, runs[1]!, "run_started");
    await append(world, runs[4]!, "run_started");
    await end(world, runs[4]!, "run_completed");
    const named = (pagination: Pagination) => world.runs.list({ workflowName, pagination });
    for (const limit of [1, 3, 7, 20]) {
      expect(ids(await walk(named, { limit }), "runId")).toEqual(runs);
    }
    const pending = (pagination: Pagination) =>
      world.runs.list({ workflowName, status: "pending", pagination });
    const rest = runs.filter((_, index) => index !== 1 && index !== 4);
    expect(ids(await walk(pending, { limit: 2 }), "runId")).toEqual(rest);
    const running = await world.runs.list({ workflowName, status: "running" });
    expect(ids(running.data, "runId")).toEqual([runs[1]]);
    const completed = await world.runs.list({ status: "completed" });
    expect(ids(completed.data, "runId")).toContain(runs[4]);
    expect((await world.runs.list({ workflowName: newId("none") })).data).toEqual([]);
  }),
  rule(
    "runs come oldest first on demand",
    async ({ world }) => {
      const { workflowName, runs } = await threeRuns(world);
      const named = (pagination: Pagination) => world.runs.list({ workflowName, pagination });
      const oldest = await walk(named, { limit: 2, sortOrder: "asc" });
      expect(ids(oldest, "runId")).toEqual(runs);
    },
    {
      "sort-order-ignored": async ({ world }) => {
        const { workflowName, runs } = await threeRuns(world);
        const pagination = { sortOrder: "asc" } as const;
        const page = await world.runs.list({ workflowName, pagination });
        expect(ids(page.data, "runId")).toEqual([...runs].reverse());
      },
    },
  ),
  rule("runs created while one reads do not shift the pages", async ({ world }) => {
    const { workflowName, runs } = await threeRuns(world);
    const found = await walk(
      async (pagination) => {
        const page = await world.runs.list({ workflowName, pagination });
        await newRun(world, { workflowName });
        return page;
      },
      { limit: 1 },
    );
    expect(ids(found, "runId")).toEqual([...runs].reverse());
  }),
  rule("steps come newest first, only those of the run", async ({ world }) => {
    const [runId, other] = [await runningRun(world), await runningRun(world)];
    const steps: string[] = [];
    for (let i = 0; i < 5; i++) {
      steps.unshift(await newStep(world, runId));
    }
    await newStep(world, other);
    const listed = (pagination: Pagination) => world.steps.list({ runId, pagination });
    for (const limit of [1, 2, 5, 9]) {
      expect(ids(await walk(listed, { limit }), "stepId")).toEqual(steps);
    }
    expect((await world.steps.list({ runId: newId("wrun") })).data).toEqual([]);
  }),
  rule(
    "steps come oldest first on demand",
    async ({ world }) => {
      const runId = await runningRun(world);
      const steps = [await newStep(world, runId), await newStep(world, runId)];
      const listed = (pagination: Pagination) => world.steps.list({ runId, pagination });
      const oldest = await walk(listed, { limit: 1, sortOrder: "asc" });
      expect(ids(oldest, "stepId")).toEqual(steps);
    },
    {
      "sort-order-ignored": async ({ world }) => {
        const runId = await runningRun(world);
        const steps = [await newStep(world, runId), await newStep(world, runId)];
        const page = await world.steps.list({ runId, pagination: { sortOrder: "asc" } });
        expect(ids(page.data, "stepId")).toEqual([...steps].reverse());
      },
    },
  ),
  rule("hooks come oldest first, newest first on demand", async ({ world }) => {
    const runId = await runningRun(world);
    const hooks: string[] = [];
    for (let i = 0; i < 5; i++) {
      hooks.push((await newHook(world, runId)).hookId);
    }
    await newHook(world, await runningRun(world));
    const listed = (pagination: Pagination) => world.hooks.list({ runId, pagination });
    for (const limit of [1, 2, 9]) {
      expect(ids(await walk(listed, { limit }), "hookId")).toEqual(hooks);
      const newest = await walk(listed, { limit, sortOrder: "desc" });
      expect(ids(newest, "hookId")).toEqual([...hooks].reverse());
    }
    expect((await world.hooks.list({ runId: newId("wrun") })).data).toEqual([]);
    const everywhere = await walk((pagination) => world.hooks.list({ pagination }), { limit: 100 });
    expect(ids(everywhere, "hookId")).toEqual(expect.arrayContaining(hooks));
  }),
  rule("a log of more than a thousand events is read whole", async ({ world }) => {
    const runId = await runningRun(world);
    for (let batch = 0; batch < 21; batch++) {
      await Promise.all(Array.from({ length: 50 }, () => newStep(world, runId)));
    }
    const events = (pagination: Pagination) => world.events.list({ runId, pagination });
    const found = ids(await walk(events, { limit: 300 }), "eventId");
    expect(found).toHaveLength(1052);
    expect(new Set(found).size).toBe(1052);
    expect((await history(world, runId)).length).toBe(1000);
    // A World may cut a page at 1,000, as the contract's largest; it must then say that more follows.
    const { data, hasMore } = await events({ limit: 5000 });
    expect(data.length >= 1000 && hasMore === data.length < 1052).toBe(true);
  }),
];

async function threeRuns(world: Parameters<typeof newRun>[0]) {
  const workflowName = newId("workflow");
  const runs: string[] = [];
  for (let i = 0; i < 3; i++) {
    runs.push(await newRun(world, { workflowName }));
  }
  return { workflowName, runs };
}

/** Reads every page. */
async function walk<T>(
  list: (pagination: Pagination) => Promise<Page<T>>,
  first: Pagination & { limit: number },
): Promise<T[]> {
  const found: T[] = [];
  let pagination: Pagination = first;
  for (;;) {
    const page = await list(pagination);
    expect(page.data.length).toBeLessThanOrEqual(first.limit);
    found.push(...page.data);
    if (!page.hasMore) {
      return found;
    }
    expect(page.data).toHaveLength(first.limit);
    expect(page.cursor).not.toBe(pagination.cursor ?? null);
    pagination = { ...first, cursor: page.cursor! };
  }
}

function ids<T, K extends keyof T>(items: T[], key: K): T[K][] {
  return items.map((item) => item[key]);
}
