import { getStepMetadata, getWorkflowMetadata } from "workflow";
import { registerStepFunction } from "workflow/internal/private";
import type { Dispatcher } from "../../core/dispatch.ts";
import { isOrchestratorError, OrchestratorError } from "../../core/errors.ts";
import { parseJob } from "../../core/job.ts";
import type { Shards } from "../shards.ts";
import { type Envelope, provideSteps, stepId, type StepImplementations } from "./calls.ts";

/** A step's attempts are used up by crashes alone, since it answers its failures instead of throwing them. */
const CRASHES_SURVIVED = 100;

/** What the steps are made of. */
export interface StepParts {
  dispatcher: Dispatcher;
  /** Executes shards of a run, which are journalled. */
  shards: Shards;
  /** Executes shards of no run, as a step of the user's or other code may ask for. */
  looseShards: Shards;
}

/** Makes the steps work in this process: for the engine by their ids, and for direct calls. */
export function installSteps(parts: StepParts): void {
  const steps = createSteps(parts);
  for (const name of Object.keys(steps) as (keyof StepImplementations)[]) {
    registerStepFunction(
      stepId(name),
      Object.assign(steps[name], { maxRetries: CRASHES_SURVIVED }),
    );
  }
  provideSteps(steps);
}

function createSteps({ dispatcher, shards, looseShards }: StepParts): StepImplementations {
  return {
    findAvailableServers: (registry, region) =>
      enveloped(async () => {
        assertHandle(registry, "server-registry");
        return dispatcher.available(region);
      }),
    selectBestServer: (servers, loadBalancer, region, key) =>
      enveloped(async () => {
        assertHandle(loadBalancer, "load-balancer");
        for (const server of servers) assertServer(server);
        return dispatcher.select(servers, {
          ...(region !== undefined && { region }),
          ...(key !== undefined && { key }),
        });
      }),
    executeRunner: (server, value) =>
      enveloped(async () => {
        assertServer(server);
        const job = parseJob(value);
        const { runId, callId } = caller();
        return dispatcher.execute(server, job, { runId, jobId: job.id ?? `job_${callId}` });
      }),
    // What it rejects with is a journal that cannot be written, which the engine is to try again.
    async executeShard(request) {
      const { runId, stepName } = caller();
      const durable = stepName === stepId("executeShard");
      return { ok: true, value: await (durable ? shards : looseShards).execute(runId, request) };
    },
  };
}

/** Failures become data: thrown across the boundary they would lose their type and be retried. */
async function enveloped<T>(run: () => Promise<T>): Promise<Envelope<T>> {
  try {
    return { ok: true, value: await run() };
  } catch (error) {
    return { ok: false, error: toOrchestratorError(error).toJSON() };
  }
}

function toOrchestratorError(error: unknown): OrchestratorError {
  if (isOrchestratorError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new OrchestratorError("EXECUTION_FAILED", message, { cause: error });
}

/** The run and the call in it, which stay the same over retries and replays; made up outside a run. */
function caller(): { runId: string; callId: string; stepName?: string } {
  try {
    const { stepId: callId, stepName } = getStepMetadata();
    return { runId: getWorkflowMetadata().workflowRunId, callId, stepName };
  } catch {
    return { runId: `direct_${crypto.randomUUID()}`, callId: crypto.randomUUID() };
  }
}

function assertHandle(handle: { kind: string; name: string } | undefined, kind: string): void {
  if (handle === undefined || (handle.kind === kind && handle.name === "default")) return;
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `Expected the ${kind} handle that the workflow was given.`,
  );
}

function assertServer(server: unknown): void {
  if (typeof (server as { id?: unknown } | undefined)?.id === "string") return;
  throw new OrchestratorError(
    "UNKNOWN_SERVER",
    "Expected a server as findAvailableServersStep or selectBestServerStep answers it, with its id.",
  );
}
