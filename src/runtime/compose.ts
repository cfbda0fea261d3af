import { startHealthCheck, type HealthCheck } from "../core/health-check.ts";
import { createLeases } from "../core/leases.ts";
import { previewServers } from "../core/preview.ts";
import { isPullMode } from "../core/run-modes.ts";
import { createHttpProbe } from "../executors/http.ts";
import { type ApiHandler, createApi } from "../http/app.ts";
import { closeBrowser } from "../runner/browser.ts";
import type { LoadBalancerModule, OrchestratorOptions, RegistryModule } from "../types/config.ts";
import type { ApiKey } from "../types/handler.ts";
import type { Manifest } from "../types/manifest.ts";
import type { Readiness } from "../types/service.ts";
import type { EngineHandlers } from "./engine-world.ts";
import { installExecution } from "./compose-execution.ts";
import { composeRuns } from "./compose-runs.ts";
import { createEngine } from "./engine.ts";
import { createExecutors } from "./executors.ts";
import { createObservability } from "./observability.ts";
import { createServerGuard } from "./guard.ts";
import { createInFlight } from "./in-flight.ts";
import { createLocalMode } from "./local-mode.ts";
import { createRunWatchers } from "./run-watchers.ts";
import { createBalancer, createRegistry } from "./servers.ts";
import { getDefaultLoadBalancer, getDefaultRegistry } from "./workflows/steps.ts";
import { type InstalledWorld, installWorld } from "./world.ts";

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
  const { options, manifest, env, apiKeys } = parts;
  const ends = createRunWatchers();
  const news = createRunWatchers();
  const observability = createObservability({
    env,
    service: options.service !== false,
    world: () => installed.world,
    manifest,
    starts: () => installed.starts,
  });
  const installed: InstalledWorld = installWorld({
    dataDir: parts.dataDir,
    configured: options.world,
    engine: parts.engine,
    ends: {
      ...ends,
      notify(runId) {
        ends.notify(runId);
        runs.callbacks.ended(runId);
      },
    },
    news,
    observer: observability.runs,
  });
  const closing = new AbortController();
  const local = createLocalMode(parts.runners);
  const executors = createExecutors({ config: options.executors, env });
  const leases = createLeases();
  const inFlight = createInFlight();
  const engine = createEngine(installed.starts, ends, closing.signal);
  const guarding = createServerGuard({
    options,
    env,
    limited: options.service !== false,
    ...(apiKeys && { apiKeys }),
  });
  const runs = composeRuns({
    installed,
    engine,
    manifest,
    news,
    inFlight,
    async preview(mode, jobs) {
      if (mode === "local") return local.preview(jobs);
      return isPullMode(mode) ? executors.preview(mode, jobs) : previewServers(jobs, servers!);
    },
    callbacks: options.callbacks,
    env,
    note: (message, fields = {}) => observability.http.log.warn(fields, message),
  });
  let started = false;
  let health: HealthCheck | undefined;
  let servers: Parameters<typeof previewServers>[1] | undefined;

  async function start(): Promise<void> {
    runs.callbacks.configure();
    await guarding.start();
    const registry = await createRegistry(options, parts.modules.registry, env);
    const loadBalancer = await createBalancer(options, parts.modules.loadBalancer, env);
    servers = { registry, loadBalancer, leases, now: Date.now, random: Math.random };
    await executors.start();
    const { execution } = options;
    const { jobs } = observability;
    const executing = { installed, local, executors, ends, inFlight, runs, jobs, execution };
    installExecution({ ...executing, registry, loadBalancer, leases });
    if (options.healthCheck) {
      health = startHealthCheck({ registry, probe: createHttpProbe(), ...options.healthCheck });
    }
    await observability.start(registry, installed.openRuns);
    // Last, since recovered runs call the steps at once.
    await installed.start();
    await runs.sweep.start();
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

  const injected = { registry: getDefaultRegistry(), loadBalancer: getDefaultLoadBalancer() };
  const handlerAt = (route: string): ApiHandler =>
    createApi({
      route,
      service: options.service,
      readiness,
      engine,
      runs: runs.regional,
      modes: executors.modes,
      workflowRuns: runs.every,
      callbacks: runs.callbacks,
      streams: { closing: closing.signal, open: observability.http.eventStreams },
      manifest,
      runners: local.runners,
      injected,
      guard: guarding.guard,
      observability: observability.http,
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
      runs.sweep.stop();
      runs.checkpoints.stop();
      await runs.callbacks.close();
      guarding.close();
      await executors.close();
      await observability.runs.close();
      await installed.close();
      await closeBrowser();
    },
  };
}
