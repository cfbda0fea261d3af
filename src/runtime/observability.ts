import type { Manifest } from "../types/manifest.ts";
import type { Observability } from "../types/observe.ts";
import type { RunStateName } from "../types/run.ts";
import type { ServerRegistry } from "../types/server.ts";
import type { World } from "./engine-world.ts";
import { createLog, logLevel } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { type JobObserver, observeJobs } from "./observe-jobs.ts";
import { observeRuns, type RunObserver } from "./observe-runs.ts";
import { createRunTraces } from "./run-traces.ts";
import type { Starts } from "./starts.ts";
import { createTracing } from "./tracing.ts";

/** What a server is observed with. */
export interface ObservabilityOptions {
  env: Record<string, string | undefined>;
  /** Whether the server is one of its own, and not a part of an app. */
  service: boolean;
  world: () => World;
  starts: () => Pick<Starts, "find">;
  manifest: () => Promise<Pick<Manifest, "workflows">>;
}

/** A server's log, metrics and traces. */
export interface ServerObservability {
  http: Observability;
  jobs: JobObserver;
  runs: RunObserver;
  /**
   * Begins, with what is there once the server starts.
   *
   * @throws OrchestratorError `CONFIG_INVALID`, naming the variable
   */
  start(
    registry: ServerRegistry,
    openRuns?: () => Partial<Record<RunStateName, number>>,
  ): Promise<void>;
}

/** Puts the log, the metrics and the traces of one server together. */
export function createObservability(options: ObservabilityOptions): ServerObservability {
  const { world, manifest } = options;
  const log = createLog();
  const tracing = createTracing();
  const metrics = createMetrics();
  const traceOf = createRunTraces(world, { find: (id) => options.starts().find(id) });
  const jobs = observeJobs({ log, tracing, metrics, traceOf });
  const runs = observeRuns({ world, manifest, metrics, log });
  return {
    http: {
      log,
      tracing,
      request: metrics.request,
      eventStreams: metrics.eventStreams,
      metrics: metrics.text,
    },
    jobs,
    runs,
    async start(registry, openRuns) {
      log.level = logLevel(options.env, options.service);
      await tracing.load();
      const servers = async (): ReturnType<ServerRegistry["list"]> => {
        const listed = await registry.list();
        jobs.knowRegions(listed.map(({ region }) => region));
        return listed;
      };
      // One that is out of reach now is asked again with each look at the metrics.
      await servers().catch(() => undefined);
      metrics.start({ waiting: jobs.waiting, servers, ...(openRuns && { openRuns }) });
    },
  };
}
