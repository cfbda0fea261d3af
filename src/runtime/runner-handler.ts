import { options } from "#orchestrator/virtual/options";
import { runners } from "#orchestrator/virtual/runners";
import type { H3Event } from "nitro";
import { createRunnerHandler, type RunnerHandler } from "../runner/index.ts";

let runnerHandler: RunnerHandler | undefined;

/** The runner server of the app this bundle is. */
export function useRunnerHandler(): RunnerHandler {
  if (!options.runners) throw new Error("orchestrator.runners is not set");
  const { route, timeout } = options.runners;
  const region = runnerRegion();
  runnerHandler ??= createRunnerHandler({
    runners,
    base: route,
    timeout,
    ...(region && { region }),
  });
  return runnerHandler;
}

/** The region it answers for: one build serves every region where the environment names it. */
export function runnerRegion(): string | undefined {
  const configured = options.runners ? options.runners.region : undefined;
  return configured ?? (process.env.ORCHESTRATOR_REGION || undefined);
}

/** Serves the app's runners. */
export default function handler({ req }: H3Event): Promise<Response> {
  return useRunnerHandler()(req);
}
