import {
  HookNotFoundError,
  WorkflowRunNotFoundError,
  WorkflowWorldError,
} from "workflow/internal/errors";
import { copy } from "./copy.ts";
import { withoutData } from "./events.ts";
import { checkId, keys, lastPart } from "./keys.ts";
import type { Fact, Records } from "./records.ts";
import type { Entry, Range, Store } from "./store.ts";
import type { Hook, Run, Step, World } from "./types.ts";

/** A page that a listing asks for. */
interface PageRequest {
  limit?: number;
  cursor?: string;
  sortOrder?: "asc" | "desc";
}

interface Page<T> {
  data: T[];
  cursor: string | null;
  hasMore: boolean;
}

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1000;

/** Reading runs, steps, events and hooks. Every list is the range of an index; a cursor is the last key read, without its prefix. */
export function createLists(
  store: Store,
  records: Records,
): Pick<World, "runs" | "steps" | "hooks"> & { events: Omit<World["events"], "create"> } {
  const runs = {
    async get(id: string, params?: { resolveData?: "none" | "all" }) {
      const run = records.run(id);
      if (!run) throw new WorkflowRunNotFoundError(id);
      return bare(run, params?.resolveData);
    },
    async list(params: Parameters<World["runs"]["list"]>[0] = {}) {
      const { workflowName, status } = params;
      const prefix = keys.runList({
        ...(workflowName !== undefined && { workflowName }),
        ...(status !== undefined && { status }),
      });
      const found = page(store, prefix, params.pagination, "desc");
      return resolved(
        found,
        (key) => records.run(lastPart(key)),
        (run) => bare(run, params.resolveData),
      );
    },
  };
  const steps = {
    async get(
      runId: string | undefined,
      stepId: string,
      params?: { resolveData?: "none" | "all" },
    ) {
      const step =
        runId === undefined ? stepAnywhere(store, records, stepId) : records.step(runId, stepId);
      if (!step) throw new WorkflowWorldError(`Step ${stepId} not found`, { status: 404 });
      return bare(step, params?.resolveData);
    },
    async list(params: Parameters<World["steps"]["list"]>[0]) {
      const { runId } = params;
      checkId("runId", runId);
      const found = page<string>(store, keys.stepList(runId), params.pagination, "desc");
      return resolved(
        found,
        (key) => records.step(runId, lastPart(key)),
        (step) => bare(step, params.resolveData),
      );
    },
  };
  const hooks: World["hooks"] = {
    async get(hookId, params) {
      const hook = records.hook(hookId);
      if (!hook) throw new HookNotFoundError(hookId);
      return bareHook(hook, params?.resolveData);
    },
    async getByToken(token, params) {
      const owner = records.tokenOwner(token);
      const hook = owner && records.hook(owner.hookId);
      if (!hook) throw new HookNotFoundError(token);
      return bareHook(hook, params?.resolveData);
    },
    async list(params) {
      const found = page<string>(store, keys.hookList(params.runId), params.pagination, "asc");
      return resolved(
        found,
        (key) => records.hook(lastPart(key)),
        (hook) => bareHook(hook, params.resolveData),
      );
    },
  };
  const events: Omit<World["events"], "create"> = {
    async get(runId, eventId, params) {
      const fact = store.get<Fact>(keys.event(runId, eventId));
      if (!fact) {
        throw new WorkflowWorldError(`Event ${eventId} in run ${runId} not found`, { status: 404 });
      }
      return withoutData(fact, params?.resolveData);
    },
    async list({ runId, pagination, resolveData }) {
      checkId("runId", runId);
      const found = page<Fact>(store, keys.events(runId), pagination, "asc");
      return { ...found, data: found.data.map(({ value }) => withoutData(value, resolveData)) };
    },
    async listByCorrelationId({ correlationId, runId, pagination, resolveData }) {
      checkId("correlationId", correlationId);
      const facts = factsAbout(store, correlationId, runId);
      const found = slice(facts, pagination);
      return { ...found, data: found.data.map((fact) => withoutData(fact, resolveData)) };
    },
  };
  return {
    runs: {
      ...durably(store, runs),
      // A run's record says all that its answer does, and is asked for more often than anything else.
      get: async (...args: Parameters<typeof runs.get>) => {
        const run = await runs.get(...args);
        await store.durable(keys.run(args[0]));
        return run;
      },
    } as World["runs"],
    steps: durably(store, steps) as World["steps"],
    hooks: durably(store, hooks),
    events: durably(store, events),
  };
}

/** The same reads, answered when what they have read is durable: nobody is to hear of what a crash could undo. */
function durably<T extends object>(store: Store, reads: T): T {
  const wrapped = Object.entries(reads).map(([name, read]) => [
    name,
    async (...args: unknown[]): Promise<unknown> => {
      const answer: unknown = await read(...args);
      await store.durable();
      return answer;
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}

/** The entries of one page, and whether there are more. */
function page<T>(
  store: Store,
  prefix: string,
  { limit = DEFAULT_LIMIT, cursor, sortOrder }: PageRequest = {},
  defaultOrder: "asc" | "desc",
): Page<Entry<T>> {
  const range: Range = { prefix, reverse: (sortOrder ?? defaultOrder) === "desc" };
  if (cursor) range.after = prefix + cursor;
  const wanted = Math.min(Math.max(1, limit), MAX_LIMIT);
  const data: Entry<T>[] = [];
  let hasMore = false;
  for (const entry of store.range<T>(range)) {
    if (data.length === wanted) {
      hasMore = true;
      break;
    }
    data.push(entry);
  }
  return { data, cursor: data.at(-1)?.key.slice(prefix.length) ?? null, hasMore };
}

function resolved<T, R>(
  found: Page<Entry<unknown>>,
  read: (key: string) => T | undefined,
  publish: (record: T) => R,
): Page<R> {
  const data = found.data.flatMap(({ key }) => {
    const record = read(key);
    return record === undefined ? [] : [publish(record)];
  });
  return { ...found, data };
}

/** The events of a correlation id, of one run or of every run in which it occurs, from the first to the last. */
function factsAbout(store: Store, correlationId: string, runId?: string): Fact[] {
  const runIds =
    runId === undefined
      ? [...store.range({ prefix: keys.correlations(correlationId) })].map(({ key }) =>
          lastPart(key),
        )
      : [runId];
  return runIds
    .flatMap((id) => [...store.range<Fact>({ prefix: keys.events(id) })])
    .map(({ value }) => value)
    .filter((fact) => fact.correlationId === correlationId)
    .sort((a, b) => (a.eventId < b.eventId ? -1 : 1));
}

/** A page of events that are few enough to be sorted in memory; the cursor is an event's id. */
function slice(
  facts: Fact[],
  { limit = DEFAULT_LIMIT, cursor, sortOrder }: PageRequest = {},
): Page<Fact> {
  const descending = sortOrder === "desc";
  const ordered = descending ? facts.toReversed() : facts;
  const rest = ordered.filter(
    ({ eventId }) => !cursor || (descending ? eventId < cursor : eventId > cursor),
  );
  const data = rest.slice(0, Math.min(Math.max(1, limit), MAX_LIMIT));
  return { data, cursor: data.at(-1)?.eventId ?? null, hasMore: rest.length > data.length };
}

function stepAnywhere(store: Store, records: Records, stepId: string): Step | undefined {
  for (const { key } of store.range({ prefix: keys.correlations(stepId) })) {
    const step = records.step(lastPart(key), stepId);
    if (step) return step;
  }
  return undefined;
}

/** A record as it goes out: a copy, which the caller may change, without its payloads when `resolveData` is `none`. */
export function bare<T extends Run | Step>(record: T, resolveData?: "none" | "all"): T {
  if (resolveData === "none") return copy({ ...record, input: undefined, output: undefined });
  return copy(record);
}

function bareHook(hook: Hook, resolveData?: "none" | "all"): Hook {
  if (resolveData !== "none") return copy(hook);
  const { metadata: _, ...rest } = hook;
  return copy(rest) as Hook;
}
