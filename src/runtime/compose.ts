import { createDispatcher } from "../core/dispatch.ts";
import { startHealthCheck, type HealthCheck } from "../core/health-check.ts";
import { createLeases } from "../core/leases.ts";
import { previewServers } from "../core/preview.ts";
import { createHttpExecutor, createHttpProbe } from "../executors/http.ts";
import { type ApiHandler, createApi } from "../http/app.ts";
import { closeBrowser } from "../runner/browser.ts";
import type { LoadBalancerModule, OrchestratorOptions, RegistryModule } from "../types/config.ts";
import type { Manifest } from "../types/manifest.ts";
import type { Readiness } from "../types/observe.ts";
import type { EngineHandlers } from "./engine-world.ts";
import { createEngine, isRunId, readEnded } from "./engine.ts";
import { createObservability } from "./observability.ts";
import { createDurations } from "./durations.ts";
import { createJournals, noJournals } from "./journal.ts";
import { createLocalMode } from "./local-mode.ts";
import { createRunEnds, watchEnd } from "./run-ends.ts";
import { createRunLists } from "./run-lists.ts";
import { createRunService } from "./run-service.ts";
import { createRunViews } from "./run-views.ts";
import { createBalancer, createRegistry } from "./servers.ts";
import { createShards } from "./shards.ts";
import { getDefaultLoadBalancer, getDefaultRegistry } from "./workflows/steps.ts";
import { installSteps } from "./workflows/implementations.ts";
import { type InstalledWorld, installWorld } from "./world.ts";

/** A server's API and its life. */
export interface OrchestratorContext {
  handler: ApiHandler;
  /** The same API below another route. */
  handlerAt(route: string): ApiHandler;
  /** Starts the World and takes up the runs that a crash left; rejects if it cannot. */
  start(): Promise<void>;
  /** Answers all who wait for a run's end, so that they do not hold up the server's own. */
  stopWaiting(): void;
  close(): Promise<void>;
}

/** What a server is made of. */
export interface CompositionParts {
  options: Pick<
    OrchestratorOptions,
    "circuit" | "execution" | "healthCheck" | "loadBalancer" | "registry" | "route" | "world"
  >;
  /** The user's own modules that the options name. */
  modules: { registry?: RegistryModule; loadBalancer?: LoadBalancerModule };
  manifest: () => Promise<Manifest>;
  engine: EngineHandlers;
  /** The app's runners and input schemas by export name, and the milliseconds one may take. */
  runners: { exports: Record<string, unknown>; timeout: number };
  /** Absolute path of the folder of this package's data. */
  dataDir: string;
  env: Record<string, string | undefined>;
}

/** Puts a server together; nothing runs before it is started. */
export function compose(parts: CompositionParts): OrchestratorContext {
  const { options, manifest, env } = parts;
  const ends = createRunEnds();
  const world = (): InstalledWorld["world"] => installed.world;
  const observability = createObservability({
    env,
    service: false,
    world,
    manifest,
    starts: () => installed.starts,
  });
  const { jobs, runs: observedRuns } = observability;
  const installed: InstalledWorld = installWorld({
    dataDir: parts.dataDir,
    configured: options.world,
    engine: parts.engine,
    ends,
    observer: observedRuns,
  });
  const closing = new AbortController();
  const engine = createEngine(installed.starts, ends, closing.signal);
  const journals = createJournals(world);
  const views = createRunViews(world, journals);
  const local = createLocalMode(parts.runners);
  const leases = createLeases();
  let health: HealthCheck | undefined;
  let readiness: Readiness = { ready: false, reason: "starting" };
  let servers: Parameters<typeof previewServers>[1] | undefined;

  async function start(): Promise<void> {
    const registry = await createRegistry(options, parts.modules.registry, env);
    const loadBalancer = await createBalancer(options, parts.modules.loadBalancer, env);
    servers = { registry, loadBalancer, leases, now: Date.now, random: Math.random };
    const executor = createHttpExecutor();
    const { execution } = options;
    const { aroundAttempt } = jobs;
    const dispatcher = createDispatcher({
      registry,
      loadBalancer,
      leases,
      executor,
      execution,
      aroundAttempt,
    });
    const shardParts = {
      runners: { remote: jobs.remote(dispatcher.dispatch), local: jobs.local(local.run) },
      onJobEnd: jobs.ended,
      durations: createDurations(),
      input: views.input,
      alone: installed.exclusive,
      onRunEnd: (runId: string, callback: () => void) =>
        watchEnd(ends, runId, () => readEnded(world(), runId), callback),
    };
    installSteps({
      dispatcher: jobs.alone(dispatcher),
      shards: createShards({ ...shardParts, journals }),
      looseShards: createShards({
        ...shardParts,
        journals: noJournals,
        // A step of the user's belongs to a run, whose end is its end too.
        onRunEnd: (runId, callback) =>
          isRunId(runId) ? shardParts.onRunEnd(runId, callback) : () => {},
      }),
    });
    if (options.healthCheck) {
      health = startHealthCheck({ registry, probe: createHttpProbe(), ...options.healthCheck });
    }
    const { openRuns } = installed;
    await observability.start({ registry, ...(openRuns && { openRuns }) });
    // Last, since recovered runs call the steps at once.
    await installed.start();
    readiness = { ready: true };
  }

  const runs = createRunService({
    world,
    engine,
    starts: installed.starts,
    views,
    lists: createRunLists(world, manifest),
    preview: async (mode, jobs) =>
      mode === "local" ? local.preview(jobs) : previewServers(jobs, servers!),
  });
  const injected = { registry: getDefaultRegistry(), loadBalancer: getDefaultLoadBalancer() };
  const handlerAt = (route: string): ApiHandler =>
    createApi({
      route,
      engine,
      runs,
      manifest,
      runners: local.runners,
      injected,
      observability: observability.http,
      readiness: () => readiness,
    });
  return {
    handler: handlerAt(options.route),
    handlerAt,
    start,
    stopWaiting() {
      readiness = { ready: false, reason: "draining" };
      closing.abort();
    },
    async close() {
      health?.stop();
      await installed.close();
      await closeBrowser();
    },
  };
}
