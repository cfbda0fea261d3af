import type { Preview } from "../core/preview.ts";
import type { RunEngine, RunService } from "../types/engine.ts";
import type { CallbacksConfig } from "../types/config.ts";
import type { Manifest } from "../types/manifest.ts";
import type { LogFields } from "../types/observe.ts";
import type { PlannedJob, RunMode } from "../types/run.ts";
import type { WorkflowRuns } from "../types/service.ts";
import { createCallbackNews } from "./callback-news.ts";
import { createCallbacks, type ServerCallbacks } from "./callbacks.ts";
import { type Checkpoints, createCheckpoints, wakingJournals } from "./checkpoints.ts";
import { createHookSweep, type HookSweep } from "./hooks.ts";
import type { InFlight } from "./in-flight.ts";
import { createJournals, type Journals } from "./journal.ts";
import { createRunLists } from "./run-lists.ts";
import { createRunService } from "./run-service.ts";
import { createRunViews, type RunViews } from "./run-views.ts";
import type { RunWatchers } from "./run-watchers.ts";
import { createWorkflowRuns } from "./workflow-runs.ts";
import type { InstalledWorld } from "./world.ts";

/** What a server's runs are made of. */
export interface RunParts {
  installed: InstalledWorld;
  engine: RunEngine;
  manifest: () => Promise<Manifest>;
  /** Told of a run's start and end, and of what is new in its journal. */
  news: RunWatchers;
  inFlight: InFlight;
  /** Where jobs would go now. */
  preview: (mode: RunMode, jobs: readonly PlannedJob[]) => Promise<Preview[]>;
  callbacks: CallbacksConfig;
  env: Record<string, string | undefined>;
  /** Takes down what an operator should know of. */
  note: (message: string, fields?: LogFields) => void;
}

/** A server's runs, as its API and its steps need them. */
export interface ServerRuns {
  regional: RunService;
  every: WorkflowRuns;
  callbacks: ServerCallbacks;
  checkpoints: Checkpoints;
  /** Wakes workflows that nobody else does. */
  sweep: HookSweep;
  /** Of all runs; who waits for a checkpoint that is added to one is woken. */
  journals: Journals;
  views: RunViews;
}

/** Puts together what a server knows of runs, all of which is in its World. */
export function composeRuns(parts: RunParts): ServerRuns {
  const { installed, engine, manifest, news, inFlight, preview, env, note } = parts;
  const { starts, exclusive } = installed;
  const world = (): InstalledWorld["world"] => installed.world;
  const journals = createJournals(world, news.notify);
  const checkpoints = createCheckpoints(world, journals);
  const views = createRunViews(world, journals);
  const regional = createRunService({ world, engine, starts, views, preview });
  const every = createWorkflowRuns({
    world,
    starts,
    lists: createRunLists(installed.findRuns, manifest),
    manifest,
    journals,
    news,
    checkpoints,
    regional,
    exclusive,
  });
  const callbacks = createCallbacks({
    world,
    starts,
    options: parts.callbacks,
    env,
    newsOf: createCallbackNews({ world, runs: every, regional }),
    inFlight,
    note,
  });
  const waking = wakingJournals(journals, checkpoints.wake);
  const sweep = createHookSweep({
    world,
    wake: async (hook) => {
      await checkpoints.wakeDue(hook);
      await callbacks.wakeDue(hook);
    },
    note,
  });
  return { regional, every, callbacks, checkpoints, sweep, journals: waking, views };
}
