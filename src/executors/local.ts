import type { ExecuteRequest, Executor } from "../types/executor.ts";
import type { RunnerEvent, RunnerExecuteReply, RunnerExecuteRequest } from "../types/runner.ts";

/** What executes a request's runners in this process, as `POST {base}/execute` would. */
export type RunHere = (
  request: RunnerExecuteRequest,
  options: { signal?: AbortSignal; onEvent?: (event: RunnerEvent) => void },
) => Promise<RunnerExecuteReply>;

/** Executes jobs in this process; rejects with what `run` rejects with, and with the signal's reason when it aborts. */
export function createLocalExecutor(run: RunHere): Executor {
  return {
    name: "local",
    async execute({ job, runId, signal, onEvent }: ExecuteRequest) {
      const { url, runners, region, input } = job;
      const request: RunnerExecuteRequest = {
        runners,
        ...(url !== undefined && { url }),
        ...(runId !== undefined && { runId }),
        ...(region !== undefined && { region }),
        ...(input !== undefined && { input }),
      };
      const reply = await run(request, {
        ...(signal && { signal }),
        ...(onEvent && { onEvent }),
      });
      signal?.throwIfAborted();
      return reply;
    },
  };
}
