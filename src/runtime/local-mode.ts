import { longestTimer } from "../core/sleep.ts";
import { onAbort } from "../core/abort.ts";
import { OrchestratorError } from "../core/errors.ts";
import { failureMessage } from "../core/job-ends.ts";
import type { Preview } from "../core/preview.ts";
import { createLocalExecutor } from "../executors/local.ts";
import { type CatalogRunner, collectRunners } from "../runner/catalog.ts";
import { execute } from "../runner/execute.ts";
import { planExecution } from "../runner/plan.ts";
import type { PlannedJob } from "../types/run.ts";
import type { JobRunner } from "./shards.ts";

/** The app's own runners, executed in this process. */
export interface LocalMode {
  /** What there is, with its input schemas. */
  runners: readonly CatalogRunner[];
  run: JobRunner;
  /** Whether jobs could be executed here, and why not. */
  preview(jobs: readonly PlannedJob[]): Promise<Preview[]>;
}

/** What the attempts of `mode: local` name as their server. */
const LOCAL = "local";

/** Executes the jobs of `mode: local`, each in one attempt: what fails here once would fail here again. */
export function createLocalMode(options: {
  exports: Record<string, unknown>;
  timeout: number;
}): LocalMode {
  const catalog = collectRunners(options.exports);
  const { timeout } = options;
  const executor = createLocalExecutor((request, limits) =>
    execute(catalog, request, { timeout, ...limits }),
  );
  return {
    runners: [...catalog.values()],
    async run(job, { runId, jobId, signal, onEvent }) {
      const startedAt = Date.now();
      const limit = limitTime(jobId, job.timeout, signal);
      const { results } = await executor
        .execute({
          server: { id: LOCAL, url: "", region: job.region ?? "" },
          job,
          runId,
          idempotencyKey: `${runId}/${jobId}`,
          attempt: 1,
          timeout: job.timeout ?? Infinity,
          signal: limit.signal,
          ...(onEvent && { onEvent }),
        })
        .finally(limit.clear);
      const durationMs = Date.now() - startedAt;
      return {
        jobId,
        server: LOCAL,
        ...(job.region !== undefined && { region: job.region }),
        results,
        attempts: [
          {
            number: 1,
            server: LOCAL,
            startedAt: new Date(startedAt).toISOString(),
            durationMs,
            outcome: "answered",
          },
        ],
        durationMs,
      };
    },
    preview: (jobs) =>
      Promise.all(
        jobs.map(({ url, runners }) =>
          planExecution(catalog, { url, runners }).then(
            (): Preview => ({ server: LOCAL }),
            (error: unknown): Preview => ({ reason: failureMessage(error) }),
          ),
        ),
      ),
  };
}

/** A signal that aborts with the run's, and when the job's own time is up. */
function limitTime(
  jobId: string,
  timeout: number | undefined,
  outer: AbortSignal | undefined,
): { signal: AbortSignal; clear: () => void } {
  const abort = new AbortController();
  const off = onAbort(outer, () => abort.abort(outer?.reason));
  const expire = (): void =>
    abort.abort(
      new OrchestratorError("SERVER_TIMEOUT", `Job ${jobId} did not end within ${timeout} ms`),
    );
  // A time longer than a timer can wait is none.
  const limited = timeout !== undefined && timeout <= longestTimer;
  const timer = limited ? setTimeout(expire, timeout) : undefined;
  return {
    signal: abort.signal,
    clear() {
      off();
      clearTimeout(timer);
    },
  };
}
