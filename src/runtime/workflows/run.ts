import { endStateOf } from "../../core/run-state.ts";
import type { PackedRunInput, RunOutput } from "../../types/run.ts";
import { runShards, total } from "./fan-out.ts";

/**
 * The workflow `run`: executes planned jobs and says what became of them. Runs in flight replay it after
 * an upgrade, so the steps it calls and their order must stay as they are.
 */
export async function run({ total: count, mode, ...input }: PackedRunInput): Promise<RunOutput> {
  const { concurrency, deadline, runId, failurePolicy } = input;
  const replies = await runShards({
    jobs: { from: 0, to: count },
    mode,
    collect: false,
    ...(concurrency !== undefined && { concurrency }),
    ...(deadline !== undefined && { deadline }),
    ...(runId !== undefined && { runId }),
  });
  const counts = total(replies);
  return {
    state: endStateOf(counts, { ...(failurePolicy && { policy: failurePolicy }) }),
    ...counts,
  };
}
