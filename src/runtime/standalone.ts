import { resolve } from "pathe";
import { stepEntrypoint } from "workflow/runtime";
import { compose, type OrchestratorContext } from "./compose.ts";
import type { HandlerSettings } from "./handler-options.ts";

/**
 * Puts a server together where no Nitro build brings workflows: there is `run` alone. The engine's modules
 * come along, so the stand-in for the World has to be in place before this file is imported.
 */
export function composeStandalone(settings: HandlerSettings): OrchestratorContext {
  const { options, apiKeys, modules, runners, dataDir } = settings;
  return compose({
    options,
    ...(apiKeys && { apiKeys }),
    modules,
    manifest: async () => ({ workflows: [], inputs: {} }),
    engine: { step: ({ req }) => stepEntrypoint(req) as Promise<Response> },
    runners,
    dataDir: resolve(dataDir ?? process.env.ORCHESTRATOR_DATA_DIR ?? ".orchestrator"),
    env: process.env,
  });
}
