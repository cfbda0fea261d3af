import { getStepMetadata, getWorkflowMetadata } from "workflow";
import { registerStepFunction } from "workflow/internal/private";
import type { Dispatcher } from "../../core/dispatch.ts";
import { isOrchestratorError, OrchestratorError } from "../../core/errors.ts";
import { parseJob } from "../../core/job.ts";
import type { ShardRequest } from "../../types/shard.ts";
import type { ServerCallbacks } from "../callbacks.ts";
import type { Checkpoints } from "../checkpoints.ts";
import type { InFlight } from "../in-flight.ts";
import type { OpenJobEvents } from "../job-events.ts";
import type { Shards } from "../shards.ts";
import { type Envelope, provideSteps, stepId, type StepImplementations } from "./calls.ts";

/** A step's attempts are used up by crashes alone, since it answers its failures instead of throwing them. */
const CRASHES_SURVIVED = 100;

/** What the steps are made of. */
export interface StepParts {
  dispatcher: Dispatcher;
  inFlight: InFlight;
  /** Executes shards of a run, which are journalled. */
  shards: Shards;
  /** Executes shards of no run, as a step of the user's or other code may ask for. */
  looseShards: Shards;
  checkpoints: Pick<Checkpoints, "add" | "await">;
  callbacks: Pick<ServerCallbacks, "deliver" | "read">;
  /** Where what the runners of a run's job tell goes. */
  jobEvents: OpenJobEvents;
  /** Calls back once when the run has ended, until the returned function is called. */
  onRunEnd: (runId: string, callback: () => void) => () => void;
  /** Aborts when another process executes the step that the caller executes; nothing where none can. */
  lost?: () => AbortSignal | undefined;
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

function createSteps(parts: StepParts): StepImplementations {
  const { dispatcher, inFlight, shards, looseShards, checkpoints, callbacks, jobEvents } = parts;
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
        const { runId, callId, execution } = caller();
        const jobId = job.id ?? `job_${callId}`;
        // Outside of a run there is no journal.
        const events = execution && jobEvents(runId, jobId);
        const context = { runId, jobId, ...(events && { onEvent: events.onEvent }) };
        const ended = new AbortController();
        return inFlight.run(ended.signal, async (place) => {
          const off = execution && parts.onRunEnd(runId, () => ended.abort(runEnded()));
          try {
            return await dispatcher.execute(server, job, { ...context, ...place });
          } finally {
            off?.();
            await events?.close();
          }
        });
      }),
    // What it rejects with is a journal that cannot be written, which the engine is to try again.
    async executeShard(request) {
      const { runId, stepName, execution } = caller();
      const durable = stepName === stepId("executeShard");
      const value = durable
        ? await shards.execute(runId, request, parts.lost?.())
        : await looseShards.execute(runId, execution ? ofStep(execution, request) : request);
      return { ok: true, value };
    },
    // What these two reject with is a journal out of reach, which the engine is to try again.
    async addCheckpoint(checkpoint) {
      const { runId, callId, stepName, execution } = caller();
      if (!execution) return { ok: false, error: noRun("checkpoint").toJSON() };
      const durable = stepName === stepId("addCheckpoint");
      // The same each time the step is executed, so that it is told once.
      const id = durable ? callId : `${callId}~${ordinalOf(execution)}`;
      await checkpoints.add(runId, { ...checkpoint, id });
      return { ok: true, value: null };
    },
    findCheckpoint: async (token) => ({ ok: true, value: await checkpoints.await(token) }),
    // And these with a World out of reach; what a receiver does is no failure of the step.
    readCallback: async (runId) => ({ ok: true, value: await callbacks.read(runId) }),
    deliverCallback: async (message, attempt) => ({
      ok: true,
      value: await callbacks.deliver(caller().runId, message, attempt),
    }),
  };
}

/** Checkpoints that a step's execution has posted. */
const posted = new WeakMap<StepExecution, number>();

function ordinalOf(execution: StepExecution): number {
  const ordinal = (posted.get(execution) ?? 0) + 1;
  posted.set(execution, ordinal);
  return ordinal;
}

function runEnded(): OrchestratorError {
  return new OrchestratorError("EXECUTION_FAILED", "The run has ended, by a cancel or otherwise");
}

function noRun(name: string): OrchestratorError {
  return new OrchestratorError(
    "CONFIG_INVALID",
    `${name} was called outside of a run: call it from a workflow, or from a step`,
  );
}

/** One execution of a step, an object of its own each time. */
type StepExecution = ReturnType<typeof getStepMetadata>;

/** The fan-outs of a step's execution, in the order of their calls. */
const fanOuts = new WeakMap<StepExecution, number[]>();

/**
 * A shard of a fan-out in a step of the user's. Its jobs' ids name the step, since the workflow and other
 * steps of the run may have the same ids, and a runner server would answer them from each other.
 */
function ofStep(execution: StepExecution, request: ShardRequest): ShardRequest {
  const { jobs } = request;
  // Only the workflow `run` names its jobs by their place in its own input.
  if (!Array.isArray(jobs)) return request;
  const groups = fanOuts.get(execution) ?? [];
  fanOuts.set(execution, groups);
  if (!groups.includes(request.group)) groups.push(request.group);
  // Counted in the step, so that it is the same when the step is executed again.
  const ordinal = groups.indexOf(request.group) + 1;
  const suffix = `~${execution.stepId}${ordinal === 1 ? "" : `~${ordinal}`}`;
  return { ...request, jobs: jobs.map((job) => ({ ...job, id: `${job.id}${suffix}` })) };
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
function caller(): {
  runId: string;
  callId: string;
  stepName?: string;
  execution?: StepExecution;
} {
  try {
    const execution = getStepMetadata();
    const { stepId: callId, stepName } = execution;
    return { runId: getWorkflowMetadata().workflowRunId, callId, stepName, execution };
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
