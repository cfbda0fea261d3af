import { createDispatcher } from "../core/dispatch.ts";
import { createPull } from "../core/pull.ts";
import { OrchestratorError } from "../core/errors.ts";
import { notConfigured, pullModes } from "../core/run-modes.ts";
import type { Leases } from "../core/leases.ts";
import { createHttpExecutor } from "../executors/http.ts";
import type { ExecutionConfig } from "../types/config.ts";
import type { PullMode } from "../types/run.ts";
import type { LoadBalancer, ServerRegistry } from "../types/server.ts";
import type { ServerRuns } from "./compose-runs.ts";
import { createDurations } from "./durations.ts";
import { isRunId, readEnded } from "./engine.ts";
import type { Executors } from "./executors.ts";
import type { InFlight } from "./in-flight.ts";
import { createJobEvents } from "./job-events.ts";
import { looseJournals } from "./journal.ts";
import type { LocalMode } from "./local-mode.ts";
import type { JobObserver } from "./observe-jobs.ts";
import { type RunWatchers, watchEnd } from "./run-watchers.ts";
import { createShards, type JobRunner } from "./shards.ts";
import { installSteps } from "./workflows/implementations.ts";
import type { InstalledWorld } from "./world.ts";

/** What jobs are executed with. */
export interface ExecutionParts {
  installed: InstalledWorld;
  registry: ServerRegistry;
  loadBalancer: LoadBalancer;
  leases: Leases;
  execution: Required<ExecutionConfig>;
  local: LocalMode;
  /** Told of ends of runs. */
  ends: RunWatchers;
  executors: Executors;
  inFlight: InFlight;
  runs: ServerRuns;
  jobs: JobObserver;
}

/** Makes the steps work that execute jobs, by runner servers and in this process. */
export function installExecution(parts: ExecutionParts): void {
  const { registry, loadBalancer, leases, execution, local, ends, inFlight, jobs } = parts;
  const { installed } = parts;
  const { callbacks, checkpoints, journals, views } = parts.runs;
  const dispatcher = createDispatcher({
    registry,
    loadBalancer,
    leases,
    executor: createHttpExecutor(),
    execution,
    aroundAttempt: jobs.aroundAttempt,
  });
  const onRunEnd = (runId: string, callback: () => void): (() => void) =>
    watchEnd(ends, runId, () => readEnded(installed.world, runId), callback);
  const shardParts = {
    runners: {
      ...pullRunners(parts),
      remote: jobs.remote(dispatcher.dispatch),
      local: jobs.local(local.run),
    },
    onJobEnd: jobs.ended,
    durations: createDurations(),
    inFlight,
    input: views.input,
    alone: installed.exclusive,
    onRunEnd,
  };
  installSteps({
    dispatcher: jobs.alone(dispatcher),
    inFlight,
    shards: createShards({ ...shardParts, journals }),
    checkpoints,
    callbacks,
    looseShards: createShards({
      ...shardParts,
      journals: looseJournals(journals, isRunId),
      // A step of the user's belongs to a run, whose end is its end too.
      onRunEnd: (runId, callback) => (isRunId(runId) ? onRunEnd(runId, callback) : () => {}),
    }),
    jobEvents: createJobEvents(journals, onRunEnd),
    onRunEnd,
  });
}

/** What executes the jobs of each mode from which workers pull. */
function pullRunners({ executors, execution, jobs }: ExecutionParts): Record<PullMode, JobRunner> {
  const { aroundAttempt } = jobs;
  const runnerOf = (mode: PullMode): JobRunner => {
    const executor = executors.of(mode);
    if (executor) return jobs.remote(createPull({ executor, execution, aroundAttempt }));
    // A run that was started where it was configured.
    return () =>
      Promise.reject(new OrchestratorError("CONFIG_INVALID", `mode ${notConfigured(mode)}`));
  };
  const runners = pullModes.map((mode) => [mode, runnerOf(mode)] as const);
  return Object.fromEntries(runners) as Record<PullMode, JobRunner>;
}
