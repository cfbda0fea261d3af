import { createDispatcher } from "../core/dispatch.ts";
import { startHealthCheck, type HealthCheck } from "../core/health-check.ts";
import { createLeases } from "../core/leases.ts";
import { previewServers } from "../core/preview.ts";
import { createHttpExecutor, createHttpProbe } from "../executors/http.ts";
import { type ApiHandler, createApi } from "../http/app.ts";
import { closeBrowser } from "../runner/browser.ts";
import type { LoadBalancerModule, OrchestratorOptions, RegistryModule } from "../types/config.ts";
import type { ApiKey } from "../types/handler.ts";
import type { Manifest } from "../types/manifest.ts";
import type { Readiness } from "../types/service.ts";
import type { EngineHandlers } from "./engine-world.ts";
import { createEngine, isRunId, readEnded } from "./engine.ts";
import { createCallbackNews } from "./callback-news.ts";
import { createCallbacks } from "./callbacks.ts";
import { createCheckpoints, wakingJournals } from "./checkpoints.ts";
import { createObservability } from "./observability.ts";
import { createDurations } from "./durations.ts";
import { listHooks } from "./hooks.ts";
import { createServerGuard } from "./guard.ts";
import { createInFlight } from "./in-flight.ts";
import { createJobEvents } from "./job-events.ts";
import { createJournals, looseJournals } from "./journal.ts";
import { createLocalMode } from "./local-mode.ts";
import { createRunWatchers, watchEnd } from "./run-watchers.ts";
import { createRunLists } from "./run-lists.ts";
import { createRunService } from "./run-service.ts";
import { createRunViews } from "./run-views.ts";
import { createBalancer, createRegistry } from "./servers.ts";
import { createShards } from "./shards.ts";
import { getDefaultLoadBalancer, getDefaultRegistry } from "./workflows/steps.ts";
import { installSteps } from "./workflows/implementations.ts";
import { type InstalledWorld, installWorld } from "./world.ts";
import { createWorkflowRuns } from "./workflow-runs.ts";

/** A server's API and its life. */
export interface OrchestratorContext {
  handler: ApiHandler;
  /** The same API below another route. */
  handlerAt(route: string): ApiHandler;
  /** Starts the World and takes up the runs that a crash left; rejects if it cannot. */
  start(): Promise<void>;
  readiness(): Readiness;
  /**
   * Answers all who wait for a run's end, begins no job any more, and resolves when those in flight have ended
   * or are handed back to the next start.
   */
  drain(): Promise<void>;
  /** Drains and closes the World. */
  close(): Promise<void>;
}

/** What a server is made of. */
export interface CompositionParts {
  options: Omit<OrchestratorOptions, "pattern" | "runners">;
  /** The keys that requests must carry; without it the environment says. */
  apiKeys?: readonly ApiKey[];
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
  const ends = createRunWatchers();
  const news = createRunWatchers();
  const world = (): InstalledWorld["world"] => installed.world;
  const observability = createObservability({
    env,
    service: options.service !== false,
    world,
    manifest,
    starts: () => installed.starts,
  });
  const { jobs, http } = observability;
  const installed: InstalledWorld = installWorld({
    dataDir: parts.dataDir,
    configured: options.world,
    engine: parts.engine,
    ends: {
      ...ends,
      notify(runId) {
        ends.notify(runId);
        callbacks.ended(runId);
      },
    },
    news,
    observer: observability.runs,
  });
  const closing = new AbortController();
  const engine = createEngine(installed.starts, ends, closing.signal);
  const journals = createJournals(world, news.notify);
  const checkpoints = createCheckpoints(world, journals);
  const waking = wakingJournals(journals, checkpoints.wake);
  const views = createRunViews(world, journals);
  const local = createLocalMode(parts.runners);
  const leases = createLeases();
  const inFlight = createInFlight();
  const { apiKeys } = parts;
  const guarding = createServerGuard({
    options,
    env,
    limited: options.service !== false,
    ...(apiKeys && { apiKeys }),
  });
  let started = false;
  let health: HealthCheck | undefined;
  let servers: Parameters<typeof previewServers>[1] | undefined;

  async function start(): Promise<void> {
    callbacks.configure();
    await guarding.start();
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
      inFlight,
      input: views.input,
      alone: installed.exclusive,
      onRunEnd: (runId: string, callback: () => void) =>
        watchEnd(ends, runId, () => readEnded(world(), runId), callback),
    };
    installSteps({
      dispatcher: jobs.alone(dispatcher),
      inFlight,
      shards: createShards({ ...shardParts, journals: waking }),
      checkpoints,
      callbacks,
      looseShards: createShards({
        ...shardParts,
        journals: looseJournals(waking, isRunId),
        // A step of the user's belongs to a run, whose end is its end too.
        onRunEnd: (runId, callback) =>
          isRunId(runId) ? shardParts.onRunEnd(runId, callback) : () => {},
      }),
      jobEvents: createJobEvents(waking, shardParts.onRunEnd),
    });
    if (options.healthCheck) {
      health = startHealthCheck({ registry, probe: createHttpProbe(), ...options.healthCheck });
    }
    await observability.start(registry, installed.openRuns);
    // Last, since recovered runs call the steps at once.
    await installed.start();
    const waiting = await listHooks(world());
    await checkpoints.recover(waiting);
    await callbacks.recover(waiting);
    started = true;
  }

  function readiness(): Readiness {
    if (closing.signal.aborted)
      return { ready: false, reason: "The orchestrator is shutting down" };
    return started ? { ready: true } : { ready: false, reason: "The orchestrator is starting" };
  }

  function drain(): Promise<void> {
    closing.abort();
    return inFlight.drain(options.shutdown.timeout);
  }

  const lists = createRunLists(installed.findRuns, manifest);
  const runs = createRunService({
    world,
    engine,
    starts: installed.starts,
    views,
    preview: async (mode, jobs) =>
      mode === "local" ? local.preview(jobs) : previewServers(jobs, servers!),
  });
  const workflowRuns = createWorkflowRuns({
    world,
    starts: installed.starts,
    lists,
    manifest,
    journals,
    news,
    checkpoints,
    regional: runs,
    exclusive: installed.exclusive,
  });
  const callbacks = createCallbacks({
    world,
    exclusive: installed.exclusive,
    starts: installed.starts,
    options: options.callbacks,
    env,
    newsOf: createCallbackNews({ world, runs: workflowRuns, regional: runs }),
    inFlight,
    note: (message) => console.error(`[orchestrator] ${message}`),
  });
  const injected = { registry: getDefaultRegistry(), loadBalancer: getDefaultLoadBalancer() };
  const { service } = options;
  const handlerAt = (route: string): ApiHandler =>
    createApi({
      route,
      service,
      readiness,
      engine,
      runs,
      workflowRuns,
      callbacks,
      streams: { closing: closing.signal, open: http.eventStreams },
      manifest,
      runners: local.runners,
      injected,
      guard: guarding.guard,
      observability: http,
    });
  return {
    handler: handlerAt(options.route),
    handlerAt,
    start,
    readiness,
    drain,
    async close() {
      await drain();
      health?.stop();
      await callbacks.close();
      guarding.close();
      await installed.close();
      await closeBrowser();
    },
  };
}
