import { randomUUID } from "node:crypto";
import { createEventFold } from "../../src/core/run-events.ts";
import { hasEnded } from "../../src/core/run-state.ts";
import { runWorkflow } from "../../src/core/run-workflow.ts";
import type { RunFacts } from "../../src/core/run-results.ts";
import type { Checkpoint, FollowedEvent, RunInfo, WorkflowRuns } from "../../src/types/service.ts";
import type { MemoryRun } from "./memory-runs.ts";

/** Runs in memory, and how they change. */
export interface MemorySource {
  /** The oldest first. */
  all(): MemoryRun[];
  find(id: string): MemoryRun | undefined;
  finish(id: string, state: RunFacts["state"]): void;
  now(): number;
}

/** A second implementation of the port, on the same journals as the other one of the run routes. */
export function createMemoryService({ all, find, finish, now }: MemorySource): WorkflowRuns {
  function eventsOf({ journal, facts }: MemoryRun): FollowedEvent[] {
    const fold = createEventFold(facts.runId);
    return journal.flatMap((entry) => fold.next(entry) ?? []);
  }

  async function* follow(
    run: MemoryRun,
    { after = "", replay, signal }: Parameters<WorkflowRuns["follow"]>[1],
  ): AsyncGenerator<FollowedEvent> {
    const { facts, changed } = run;
    const before = (event: string): number =>
      eventsOf(run).filter((told) => told.event === event).length - replay;
    const skip = after === "" ? { checkpoint: before("checkpoint"), log: before("log") } : {};
    const skipped: Record<string, number> = { checkpoint: 0, log: 0, ...skip };
    let behind = after === "";
    let read = 0;
    let told: string | undefined;
    while (!signal.aborted) {
      const news = new Promise<void>((resolve) => {
        changed.add(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      for (const event of eventsOf(run).slice(read)) {
        read++;
        const passes = behind && skipped[event.event]!-- > 0;
        if (behind && !passes) yield event;
        if (event.event === "checkpoint" && event.data.ts >= after) behind = true;
      }
      behind = true;
      const { state, runId } = facts;
      if (state !== told) yield { event: "status", data: { runId, state } };
      if (hasEnded(state)) return;
      told = state;
      await news;
    }
  }

  return {
    async read(id) {
      const run = find(id);
      return run && infoOf(run);
    },
    async list(filter) {
      const { limit = 20, cursor = "0" } = filter;
      const asked = all()
        .map(infoOf)
        .toReversed()
        .filter((run) => filter.workflow === undefined || run.workflow === filter.workflow)
        .filter((run) => filter.state === undefined || run.state === filter.state)
        .filter((run) => filter.tag === undefined || run.tags?.includes(filter.tag))
        .filter((run) => filter.owner === undefined || run.owner === filter.owner)
        .filter(({ createdAt }) => Date.parse(createdAt) >= (filter.since ?? 0))
        .filter(({ createdAt }) => Date.parse(createdAt) < (filter.until ?? Infinity));
      const end = Number(cursor) + limit;
      return {
        runs: asked.slice(Number(cursor), end),
        ...(end < asked.length && { cursor: String(end) }),
      };
    },
    async cancel(id) {
      const run = find(id);
      if (!run) return undefined;
      if (!hasEnded(run.facts.state)) finish(id, "cancelled");
      const { state } = run.facts;
      return state === "cancelled" ? { kind: "cancelled" } : { kind: "ended", state };
    },
    async addCheckpoint(id, { type: kind, data }) {
      const run = find(id);
      if (!run) return undefined;
      const { state } = run.facts;
      if (hasEnded(state)) return { kind: "ended", state };
      const checkpointId = randomUUID();
      run.journal.push({ type: "checkpoint", id: checkpointId, at: now(), kind, data });
      for (const notice of run.changed) notice();
      run.changed.clear();
      return { kind: "added", checkpointId };
    },
    async checkpoints(id) {
      const run = find(id);
      return run && iterated(eventsOf(run).flatMap(checkpointOf));
    },
    async follow(id, options) {
      const run = find(id);
      return run && follow(run, options);
    },
  };
}

async function* iterated<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

function checkpointOf(event: FollowedEvent): Checkpoint[] {
  return event.event === "checkpoint" ? [event.data] : [];
}

function infoOf({ facts, input, options }: MemoryRun): RunInfo {
  const { runId, state, tags, createdAt, completedAt } = facts;
  return {
    runId,
    workflow: runWorkflow.name,
    mode: input.mode,
    state,
    ...(options.owner !== undefined && { owner: options.owner }),
    ...(options.metadata && { metadata: options.metadata }),
    ...(tags && { tags: [...tags] }),
    createdAt: new Date(createdAt).toISOString(),
    ...(completedAt !== undefined && { completedAt: new Date(completedAt).toISOString() }),
  };
}
