import type { CallbackMessage, CallbackNews } from "../../core/callback.ts";
import { type ErrorData, errorFromData, OrchestratorError } from "../../core/errors.ts";
import type { JobResult, RunnerJob } from "../../types/run.ts";
import type { Checkpoint } from "../../types/service.ts";
import type { ShardReply, ShardRequest } from "../../types/shard.ts";
import type {
  LoadBalancerHandle,
  SelectedServer,
  Server,
  ServerRegistryHandle,
  ServerStatus,
} from "../../types/server.ts";

/**
 * The step implementations of one process. They answer with an envelope, because an error that is
 * thrown across the engine's boundary arrives as a message without its type, and is retried.
 */
export interface StepImplementations {
  findAvailableServers(
    registry: ServerRegistryHandle | undefined,
    region: string | undefined,
  ): Promise<Envelope<ServerStatus[]>>;
  selectBestServer(
    servers: readonly Server[],
    loadBalancer: LoadBalancerHandle | undefined,
    region: string | undefined,
    key: string | undefined,
  ): Promise<Envelope<SelectedServer>>;
  executeRunner(server: SelectedServer | Server, job: RunnerJob): Promise<Envelope<JobResult>>;
  executeShard(request: ShardRequest): Promise<Envelope<ShardReply>>;
  addCheckpoint(checkpoint: { type: string; data?: unknown }): Promise<Envelope<null>>;
  /** What a hook of this token waits for, if it is there; else its wait ends in time. */
  findCheckpoint(token: string): Promise<Envelope<Checkpoint | undefined>>;
  readCallback(runId: string): Promise<Envelope<CallbackNews>>;
  deliverCallback(message: CallbackMessage, attempt: number): Promise<Envelope<number | null>>;
}

/** A step's answer as plain data. */
export type Envelope<T> = { ok: false; error: ErrorData } | { ok: true; value: T };

/** The engine's id of one of our steps. It carries no version, so that runs in flight survive an upgrade. */
export function stepId(name: keyof StepImplementations): string {
  return `step//@runners/orchestrator//${name}`;
}

const engineSlot: unique symbol = Symbol.for("WORKFLOW_USE_STEP") as never;
const processSlot: unique symbol = Symbol.for("@runners/orchestrator//steps") as never;

type UseStep = (id: string) => (...args: unknown[]) => Promise<Envelope<unknown>>;

interface Slots {
  [engineSlot]?: UseStep;
  [processSlot]?: StepImplementations;
}

/** Makes a process's implementations known to every copy of this package in it. */
export function provideSteps(steps: StepImplementations | undefined): void {
  (globalThis as Slots)[processSlot] = steps;
}

/** Whether this is workflow code, which is replayed, and not a step's or other code of the process. */
export function inWorkflow(): boolean {
  return (globalThis as Slots)[engineSlot] !== undefined;
}

/**
 * Calls a step: inside a workflow through the engine, which records it; elsewhere in this process,
 * such as in a step of the user's own, directly.
 */
export async function callStep<T>(name: keyof StepImplementations, args: unknown[]): Promise<T> {
  const slots = globalThis as Slots;
  const useStep = slots[engineSlot];
  const envelope = await (useStep
    ? useStep(stepId(name))(...args)
    : callDirectly(slots, name, args));
  if (!envelope.ok) throw errorFromData(envelope.error);
  return envelope.value as T;
}

function callDirectly(
  slots: Slots,
  name: keyof StepImplementations,
  args: unknown[],
): Promise<Envelope<unknown>> {
  const steps = slots[processSlot];
  if (!steps) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${name}Step was called where no orchestrator runs. Call it from a workflow, or from a server built with the module @runners/orchestrator/nitro.`,
    );
  }
  return (steps[name] as (...args: unknown[]) => Promise<Envelope<unknown>>)(...args);
}
