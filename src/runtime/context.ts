import * as manifest from "#orchestrator/virtual/manifest";
import { modules, options } from "#orchestrator/virtual/options";
import { flow, step } from "#orchestrator/virtual/engine";
import { resolve } from "pathe";
import { createDispatcher } from "../core/dispatch.ts";
import { startHealthCheck, type HealthCheck } from "../core/health-check.ts";
import { createLeases } from "../core/leases.ts";
import { createHttpExecutor, createHttpProbe } from "../executors/http.ts";
import { createOrchestratorHandler, type OrchestratorHandler } from "../http/app.ts";
import { createEngine } from "./engine.ts";
import { manifestLoader } from "./manifest.ts";
import { createRunEnds } from "./run-ends.ts";
import { createBalancer, createRegistry } from "./servers.ts";
import { getDefaultLoadBalancer, getDefaultRegistry } from "./workflows/steps.ts";
import { installSteps } from "./workflows/implementations.ts";
import { installWorld } from "./world.ts";

/** What one app's server is made of. */
export interface OrchestratorContext {
  handler: OrchestratorHandler;
  /** Resolves when the World has started and the runs a crash left are queued; rejects if it cannot. */
  ready: Promise<void>;
  /** Answers all who wait for a run's end, so that they do not hold up the server's own. */
  stopWaiting(): void;
  close(): Promise<void>;
}

/** Builds the app's server from what the build and the environment say; the one importer of virtuals. */
export function createContext(): OrchestratorContext {
  const dataDir = resolve(process.env.ORCHESTRATOR_DATA_DIR ?? ".orchestrator");
  const ends = createRunEnds();
  const { world } = options;
  const installed = installWorld({ dataDir, configured: world, engine: { flow, step }, ends });
  let health: HealthCheck | undefined;
  const loadManifest = manifestLoader(manifest);
  const closing = new AbortController();
  const ready = (async () => {
    // Nitro starts the app to prerender pages too, where it must take up no run and needs no server.
    if (import.meta.prerender) return;
    // Dev starts on whatever there is, and says so when it is asked.
    if (manifest.file === undefined) await loadManifest();
    const registry = await createRegistry(options, modules.registry, process.env);
    const loadBalancer = await createBalancer(options, modules.loadBalancer, process.env);
    installSteps(
      createDispatcher({
        registry,
        loadBalancer,
        leases: createLeases(),
        executor: createHttpExecutor(),
        execution: options.execution,
      }),
    );
    if (options.healthCheck) {
      health = startHealthCheck({ registry, probe: createHttpProbe(), ...options.healthCheck });
    }
    // Last, since recovered runs call the steps at once.
    await installed.start();
  })();
  return {
    handler: createOrchestratorHandler({
      route: options.route,
      engine: createEngine(installed.starts, ends, closing.signal),
      manifest: loadManifest,
      injected: { registry: getDefaultRegistry(), loadBalancer: getDefaultLoadBalancer() },
    }),
    ready,
    stopWaiting: () => closing.abort(),
    async close() {
      health?.stop();
      await installed.close();
    },
  };
}
