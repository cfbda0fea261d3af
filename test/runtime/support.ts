import type { AsyncLocalStorage } from "node:async_hooks";
import { createRunService } from "../../src/runtime/run-service.ts";
import { createRunViews, packInput } from "../../src/runtime/run-views.ts";
import { embeddedStarts } from "../../src/runtime/starts.ts";
import type { RunAbout, RunService } from "../../src/types/engine.ts";
import { createJournals, type Journals } from "../../src/runtime/journal.ts";
import { createRunFold, type RunFold } from "../../src/core/run-state.ts";
import { runWorkflow } from "../../src/core/run-workflow.ts";
import type { World } from "../../src/runtime/engine-world.ts";
import { createShards, type JobRunner, type Shards } from "../../src/runtime/shards.ts";
import { createDurations } from "../../src/runtime/durations.ts";
import { createInFlight } from "../../src/runtime/in-flight.ts";
import { executeRunnerStep } from "../../src/runtime/workflows/steps.ts";
import type { JobResult, PlannedJob } from "../../src/types/run.ts";
import type { ShardRequest } from "../../src/types/shard.ts";
import type { EmbeddedWorld } from "../../src/world/index.ts";
import { append } from "../world/support.ts";

/** Journals on an embedded World. */
export function journalsOn(world: EmbeddedWorld): Journals {
  return createJournals(() => world as unknown as World);
}

/** Planned jobs of these ids. */
export function planned(...ids: string[]): PlannedJob[] {
  return ids.map((id) => ({ id, url: `https://x.test/${id}`, runners: [{ name: "check" }] }));
}

/** A shard of these jobs. */
export function shardOf(jobs: PlannedJob[], rest: Partial<ShardRequest> = {}): ShardRequest {
  return { jobs, mode: "remote", group: 0, collect: true, ...rest };
}

/** What a server answers, as a job's result. */
export function passed(jobId: string, server = "s1"): JobResult {
  const results = [{ name: "check", status: "pass" as const }];
  return { jobId, server, results, attempts: [], durationMs: 1 };
}

/** Shards of one process, whose jobs are executed by this. */
export function shardsOf(
  journals: Journals,
  remote: JobRunner,
  onRunEnd: (runId: string, callback: () => void) => () => void = () => () => undefined,
  alone = false,
  inFlight = createInFlight(),
): Shards {
  const runners = { remote, local: remote, redis: remote, postgres: remote, k8s: remote };
  const input = (runId: string): Promise<never> =>
    Promise.reject(new Error(`${runId} was asked for its input`));
  const durations = createDurations();
  return createShards({ journals, runners, durations, inFlight, input, onRunEnd, alone });
}

/** What a run's journal comes to. */
export async function foldOf(
  journals: Journals,
  runId: string,
  jobs: PlannedJob[],
): Promise<RunFold> {
  const fold = createRunFold(jobs);
  for (const entry of (await journals.read(runId)).entries) fold.apply(entry);
  return fold;
}

/** Something that comes when it is told to. */
export interface Gate {
  opened: Promise<void>;
  open(): void;
}

/** A closed gate. */
export function gate(): Gate {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/** Stores a run of these jobs, and answers with the engine's id of it. */
export async function submit(
  world: EmbeddedWorld,
  jobs: PlannedJob[],
  options: { about?: RunAbout; workflowId?: string } = {},
): Promise<string> {
  const { about, workflowId = runWorkflow.workflowId } = options;
  const outcome = await embeddedStarts(world).start({
    workflowId,
    args: [await packInput({ jobs, mode: "remote" })],
    ...(about && { about }),
  });
  if (outcome.kind === "conflict") throw new Error("conflict");
  return outcome.runId;
}

/** Ends a run of ours in a state, as the engine would. */
export async function storeOutput(
  world: EmbeddedWorld,
  runId: string,
  state: string,
): Promise<void> {
  await append(world, runId, "run_started");
  // How the engine writes a plain object down.
  const output = new TextEncoder().encode(`devl${JSON.stringify([{ state: 1 }, state])}`);
  await append(world, runId, "run_completed", { eventData: { output } });
}

/** The run service on a World that executes nothing. */
export function serviceOn(
  world: EmbeddedWorld,
  journals: Journals = journalsOn(world),
): { service: RunService } {
  const asWorld = (): World => world as unknown as World;
  const starts = embeddedStarts(world);
  const service = createRunService({
    world: asWorld,
    engine: { start: starts.start },
    starts,
    views: createRunViews(asWorld, journals),
    preview: async () => [],
  });
  return { service };
}

/** Where the engine keeps which step is being executed. */
const stepContext = Symbol.for("WORKFLOW_STEP_CONTEXT_STORAGE") as never;

/** Executes a job as a step of a run, or of none. */
export async function step(runId: string | undefined, job: string) {
  const execute = () => executeRunnerStep({ id: "s1" } as never, { id: job, runners: ["check"] });
  if (runId === undefined) return execute();
  const storage = globalThis[stepContext] as AsyncLocalStorage<object>;
  const stepMetadata = { stepId: "step_1", stepName: "executeRunner" };
  return storage.run({ stepMetadata, workflowMetadata: { workflowRunId: runId } }, execute);
}
