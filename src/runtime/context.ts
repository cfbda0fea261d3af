import * as manifest from "#orchestrator/virtual/manifest";
import { modules, options } from "#orchestrator/virtual/options";
import { flow, step } from "#orchestrator/virtual/engine";
import { runners } from "#orchestrator/virtual/runners";
import { resolve } from "pathe";
import { compose, type OrchestratorContext } from "./compose.ts";
import { onceReady } from "./early.ts";
import { manifestLoader } from "./manifest.ts";

/** What one app's server is made of. */
export interface AppContext extends Omit<OrchestratorContext, "start"> {
  /** Resolves when the World has started and the runs a crash left are queued; rejects if it cannot. */
  ready: Promise<void>;
}

/** Builds the app's server from what the build and the environment say; the one importer of virtuals. */
export function createContext(): AppContext {
  const loadManifest = manifestLoader(manifest);
  const { start, ...context } = compose({
    options,
    modules,
    manifest: loadManifest,
    engine: { flow, step },
    runners: { exports: runners, timeout: options.runners ? options.runners.timeout : 0 },
    dataDir: resolve(process.env.ORCHESTRATOR_DATA_DIR ?? ".orchestrator"),
    env: process.env,
  });
  const ready = (async () => {
    // Nitro starts the app to prerender pages too, where it must take up no run and needs no server.
    if (import.meta.prerender) return;
    // Dev starts on whatever there is, and says so when it is asked.
    if (manifest.file === undefined) await loadManifest();
    await start();
  })();
  const { route, service } = options;
  return {
    ...context,
    ready,
    handler: onceReady(context.handler, ready, { route, service }),
    handlerAt: (route) => onceReady(context.handlerAt(route), ready, { route, service }),
  };
}
