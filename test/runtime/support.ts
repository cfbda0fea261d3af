import { createJournals, type Journals } from "../../src/runtime/journal.ts";
import { createRunFold, type RunFold } from "../../src/core/run-state.ts";
import { runWorkflow } from "../../src/core/run-workflow.ts";
import type { World } from "../../src/runtime/engine-world.ts";
import { createShards, type JobRunner, type Shards } from "../../src/runtime/shards.ts";
import { createDurations } from "../../src/runtime/durations.ts";
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
): Shards {
  const runners = { remote, local: remote };
  return createShards({ journals, runners, durations: createDurations(), onRunEnd });
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

/** Stores a run of the workflow `run`, and answers with its id. */
export async function storeRun(
  world: EmbeddedWorld,
  options: { workflowName?: string; about?: object; input?: Uint8Array } = {},
): Promise<string> {
  const { workflowName = runWorkflow.workflowId, about, input = new Uint8Array([1]) } = options;
  const executionContext = about && { orchestrator: about };
  const { run } = await append(world, null, "run_created", {
    eventData: { deploymentId: "here", workflowName, input, ...(about && { executionContext }) },
  });
  return run!.runId;
}
