import { endStateOf, createRunFold, type RunFold } from "../../src/core/run-state.ts";
import { runResults, runStatus, type RunFacts } from "../../src/core/run-results.ts";
import { runWorkflow } from "../../src/core/run-workflow.ts";
import type { ApiOptions } from "../../src/http/app.ts";
import type { RunEngine, RunRecord, RunService, SubmitOptions } from "../../src/types/engine.ts";
import type { JournalEntry } from "../../src/types/journal.ts";
import type { RunInput } from "../../src/types/run.ts";
import { createMemoryService } from "./memory-service.ts";

/** A run in memory: what it was started with, and its journal as folded so far. */
export interface MemoryRun {
  engineId: string;
  input: RunInput;
  options: SubmitOptions;
  fold: RunFold;
  journal: JournalEntry[];
  facts: RunFacts;
  /** Called, and taken out, when there is news of it. */
  changed: Set<() => void>;
}

/** Runs in this process's memory, behind the two ports of the HTTP side; what becomes of a job is the test's to say. */
export interface MemoryRuns {
  runs: RunService;
  engine: RunEngine;
  /** What else the API is served from. */
  service: Pick<ApiOptions, "callbacks" | "modes" | "streams" | "workflowRuns">;
  /** The run of an id, its own or the engine's. */
  of(id: string): MemoryRun;
  /** How many runs have been started. */
  started(): number;
  journal(id: string, ...entries: JournalEntry[]): void;
  /** Ends a run; in the state its jobs come to, if no other is given. */
  finish(id: string, state?: RunFacts["state"]): void;
  /** A run of another workflow. */
  add(record: RunRecord): void;
}

/** A second implementation of the ports, on the same fold as the durable one. */
export function createMemoryRuns(now: () => number = Date.now): MemoryRuns {
  const byEngineId = new Map<string, MemoryRun>();
  const aliases = new Map<string, MemoryRun>();
  const keys = new Map<string, MemoryRun>();
  const others = new Map<string, RunRecord>();
  const waiting = new Set<() => void>();

  function find(id: string): MemoryRun | undefined {
    // A storage may make a key or a path of it.
    if (!/^[\w.~-]{1,128}$/.test(id)) throw new Error(`no run can have the id ${id}`);
    return byEngineId.get(id) ?? aliases.get(id);
  }

  function of(id: string): MemoryRun {
    const run = find(id);
    if (!run) throw new Error(`no run ${id}`);
    return run;
  }

  function start(input: RunInput, options: SubmitOptions): MemoryRun {
    const engineId = `wrun_${String(byEngineId.size + 1).padStart(26, "0")}`;
    const run: MemoryRun = {
      engineId,
      input,
      options,
      fold: createRunFold(input.jobs),
      journal: [],
      changed: new Set(),
      facts: {
        runId: options.runId ?? engineId,
        state: "queued",
        createdAt: now(),
        ...(options.tags && { tags: options.tags }),
      },
    };
    byEngineId.set(engineId, run);
    if (options.runId !== undefined) aliases.set(options.runId, run);
    if (options.idempotencyKey !== undefined) keys.set(options.idempotencyKey, run);
    return run;
  }

  const runs: RunService = {
    submit: async (input, options) => {
      const byKey =
        options.idempotencyKey === undefined ? undefined : keys.get(options.idempotencyKey);
      const byId = options.runId === undefined ? undefined : aliases.get(options.runId);
      const known = byKey ?? byId;
      if (!known) return { kind: "started", runId: start(input, options).facts.runId };
      if (known.options.fingerprint === options.fingerprint) {
        return { kind: "repeated", runId: known.facts.runId };
      }
      return { kind: "conflict", field: byKey ? "Idempotency-Key" : "runId" };
    },
    engineId: async (id) => find(id)?.engineId,
    status: async (id) => {
      const run = find(id);
      return run && runStatus(run.fold, run.facts);
    },
    results: async (id) => {
      const run = find(id);
      return run && runResults(run.fold, run.facts, now());
    },
    input: async (id) => find(id)?.input,
    plan: async ({ jobs, mode, concurrency }) => ({
      mode: "plan",
      plan: {
        mode,
        totalJobs: jobs.length,
        shards: 1,
        ...(concurrency !== undefined && { concurrency }),
        steps: jobs.map(({ id, url, region, runners }) => ({
          jobId: id,
          url,
          ...(region !== undefined && { region }),
          runners: runners.map(({ name }) => name),
          shard: 0,
        })),
      },
    }),
  };

  const read = async (id: string): Promise<RunRecord | undefined> => {
    const run = byEngineId.get(id);
    if (!run) return others.get(id);
    const state = run.facts.state === "timed_out" ? "completed" : run.facts.state;
    const output = state === "completed" ? { output: runResults(run.fold, run.facts) } : {};
    return { runId: id, workflowId: runWorkflow.workflowId, state, ...output };
  };
  const engine: RunEngine = {
    start: async () => ({ kind: "started", runId: "wrun_other" }),
    read,
    wait: async (id, ms) => {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      return read(id);
    },
  };

  function finish(id: string, state?: RunFacts["state"]): void {
    const { fold, facts, input, changed } = of(id);
    if (state === "failed" || state === "timed_out" || state === "cancelled") {
      fold.end(state, now());
    }
    facts.state = state ?? endStateOf(fold.counts, { policy: input.failurePolicy });
    facts.completedAt = now();
    for (const wake of [...waiting, ...changed]) wake();
    waiting.clear();
    changed.clear();
  }

  const service: MemoryRuns["service"] = {
    modes: new Set(["local", "remote"]),
    workflowRuns: createMemoryService({ all: () => [...byEngineId.values()], find, finish, now }),
    callbacks: { assertAllowed: () => undefined, register: async () => undefined },
    streams: { closing: new AbortController().signal },
  };

  return {
    runs,
    engine,
    service,
    of,
    started: () => byEngineId.size,
    journal(id, ...entries) {
      const { fold, facts, journal, changed } = of(id);
      facts.state = "running";
      for (const entry of entries) fold.apply(entry);
      journal.push(...entries);
      for (const notice of changed) notice();
      changed.clear();
    },
    finish,
    add: (record) => void others.set(record.runId, record),
  };
}
