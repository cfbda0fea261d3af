import { isDeepStrictEqual } from "node:util";
import { nextHook } from "../../src/world/hooks.ts";
import { keys, lastPart, place } from "../../src/world/keys.ts";
import type { Message } from "../../src/world/messages.ts";
import { type Fact, hasEnded } from "../../src/world/records.ts";
import { nextRun } from "../../src/world/runs.ts";
import { nextStep } from "../../src/world/steps.ts";
import type { Store } from "../../src/world/store.ts";
import type { Hook, Run, Step, Wait } from "../../src/world/types.ts";
import { nextWait } from "../../src/world/waits.ts";

/** What a log of events makes of a run, event by event. */
export interface Folded {
  run: Run;
  steps: Map<string, Step>;
  hooks: Map<string, Hook>;
  waits: Map<string, Wait>;
}

/** Folds a run's events. */
export function fold(facts: readonly Fact[]): Folded {
  let run: Run | undefined;
  const steps = new Map<string, Step>();
  const hooks = new Map<string, Hook>();
  const waits = new Map<string, Wait>();
  for (const fact of facts) {
    const id = fact.correlationId ?? "";
    if (fact.eventType.startsWith("run_")) run = nextRun(run, fact);
    else if (fact.eventType.startsWith("step_")) steps.set(id, nextStep(steps.get(id), fact));
    else if (fact.eventType.startsWith("wait_")) waits.set(id, nextWait(waits.get(id), fact));
    else {
      const hook = nextHook(hooks.get(id), fact);
      if (hook) hooks.set(id, hook);
      else hooks.delete(id);
    }
  }
  // Hooks and waits go with their run's end.
  if (run && hasEnded(run)) {
    hooks.clear();
    waits.clear();
  }
  return { run: run!, steps, hooks, waits };
}

/** Everything that is wrong in a store, in sentences; `labelsOf` says which labels its runs have. */
export function violations(
  store: Store,
  labelsOf: (run: Run) => readonly string[] = () => [],
): string[] {
  const wrong: string[] = [];
  const logs = new Map<string, Fact[]>();
  for (const { value } of store.range<Fact>({ prefix: "event/" })) {
    logs.set(value.runId, [...(logs.get(value.runId) ?? []), value]);
  }
  const runs = all<Run>(store, "run/");
  if (runs.length !== logs.size) wrong.push(`${runs.length} runs, ${logs.size} logs`);
  const expected = { steps: 0, hooks: 0, waits: 0 };
  for (const [runId, facts] of logs) {
    wrong.push(...duplicates(facts).map((text) => `${runId}: ${text}`));
    const folded = fold(facts);
    const differs = (what: string, view: unknown, folding: unknown): void => {
      if (!same(view, folding)) wrong.push(`${runId}: ${what} is not the fold of its events`);
    };
    differs("the run", store.get(keys.run(runId)), folded.run);
    for (const [id, step] of folded.steps) {
      differs(`step ${id}`, store.get(keys.step(runId, id)), step);
    }
    for (const [id, hook] of folded.hooks) differs(`hook ${id}`, store.get(keys.hook(id)), hook);
    for (const [id, wait] of folded.waits) {
      differs(`wait ${id}`, store.get(keys.wait(runId, id)), wait);
    }
    expected.steps += folded.steps.size;
    expected.hooks += folded.hooks.size;
    expected.waits += folded.waits.size;
    const messages = all<Message>(store, keys.messages(runId));
    if (!hasEnded(folded.run) && messages.length === 0) wrong.push(`${runId}: nothing wakes it`);
    if (hasEnded(folded.run) && messages.length > 0) wrong.push(`${runId}: is still to be woken`);
    for (const filter of filtersOf(folded.run)) {
      const list = [...store.range({ prefix: keys.runList(filter) })].map(({ key }) =>
        lastPart(key),
      );
      if (list.filter((id) => id === runId).length !== 1) {
        wrong.push(`${runId}: is not once in the list of ${JSON.stringify(filter)}`);
      }
    }
  }
  const counts = {
    steps: all(store, "step/").length,
    hooks: all(store, "hook/").length,
    waits: all(store, "wait/").length,
  };
  if (!isDeepStrictEqual(counts, expected)) {
    wrong.push(`${JSON.stringify(counts)} records, ${JSON.stringify(expected)} by the events`);
  }
  const due = all<string>(store, keys.due).sort();
  const messageKeys = [...store.range({ prefix: "message/" })].map(({ key }) => key);
  if (!isDeepStrictEqual(due, messageKeys)) wrong.push("messages and their times are not the same");
  const byStatus = ["pending", "running", "completed", "failed", "cancelled"].map(
    (status) => all(store, keys.runList({ status })).length,
  );
  if (byStatus.reduce((sum, count) => sum + count) !== runs.length) {
    wrong.push("the lists by status do not add up");
  }
  const labelled = runs.flatMap((run) =>
    labelsOf(run).map((label) => keys.labelList(label) + place(run.createdAt, run.runId)),
  );
  const found = [...store.range({ prefix: keys.labelLists })].map(({ key }) => key);
  if (!isDeepStrictEqual(found, labelled.sort())) {
    wrong.push("the lists by label are not those of the runs' labels");
  }
  return wrong;
}

/** A list's filters under which a run must be found. */
function filtersOf({ workflowName, status }: Run): { workflowName?: string; status?: string }[] {
  return [{}, { workflowName }, { status }, { workflowName, status }];
}

/** Events that a run or a step of it cannot have twice. */
function duplicates(facts: readonly Fact[]): string[] {
  const once = /^(run_created|run_started|step_created|step_completed|step_failed|wait_\w+)$/;
  const seen = new Set<string>();
  const found: string[] = [];
  let ends = 0;
  for (const { eventType, correlationId } of facts) {
    if (/^run_(completed|failed|cancelled)$/.test(eventType)) ends++;
    const name = `${eventType} ${correlationId ?? ""}`;
    if (once.test(eventType) && seen.has(name)) found.push(`${name} twice`);
    seen.add(name);
  }
  if (ends > 1) found.push(`${ends} ends`);
  return found;
}

function all<T>(store: Store, prefix: string): T[] {
  return [...store.range<T>({ prefix })].map(({ value }) => value);
}

/** Equal but for keys whose value is undefined. */
function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(defined(a), defined(b));
}

function defined(value: unknown): unknown {
  if (value instanceof Date || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(defined);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .map(([key, entry]) => [key, defined(entry)]),
  );
}
