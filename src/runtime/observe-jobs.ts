import type { AttemptEnd, AttemptRequest } from "../core/attempt.ts";
import type { Dispatcher, ExecuteContext } from "../core/dispatch.ts";
import { isOrchestratorError } from "../core/errors.ts";
import { isHandedBack } from "../core/handed-back.ts";
import { failedEnd, type JobEnd } from "../core/job-ends.ts";
import type { Log, Span, TraceContext, Tracing } from "../types/observe.ts";
import type { JobResult, RunnerJob, RunStateName } from "../types/run.ts";
import type { Server } from "../types/server.ts";
import { otherLabel } from "./labels.ts";
import type { Metrics } from "./metrics.ts";
import type { JobRunner } from "./shards.ts";

/** What jobs are watched with. */
export interface ObserveJobsOptions {
  log: Log;
  tracing: Tracing;
  metrics: Metrics;
  /** The trace that a run is a part of. */
  traceOf: (runId: string) => Promise<TraceContext>;
  /** Epoch milliseconds. */
  now?: () => number;
}

/** Watches jobs from outside: nothing that becomes of a job depends on it. */
export interface JobObserver {
  /** The same runner, whose jobs are watched from their turn on; each goes to a server by attempts that are watched too. */
  remote(run: JobRunner): JobRunner;
  /** The same runner, whose jobs are one attempt in this process. */
  local(run: JobRunner): JobRunner;
  /** An attempt for a queue counts from when a worker has begun it. */
  aroundAttempt<Place extends Server>(
    attempt: (request: AttemptRequest<Place>) => Promise<AttemptEnd>,
  ): (request: AttemptRequest<Place>) => Promise<AttemptEnd>;
  /** The same dispatcher, for jobs of no shard. */
  alone(dispatcher: Dispatcher): Dispatcher;
  /** Told how a job ended. */
  ended(runId: string, job: RunnerJob, end: JobEnd): void;
  waiting(): { jobs: number; oldestSeconds: number };
  /** Tells which regions there are: what else a caller names is no label. */
  knowRegions(regions: Iterable<string>): void;
}

/** A job that has its turn. */
interface Watched {
  since: number;
  trace?: TraceContext;
  firstAttemptAt?: number;
  server?: { id: string; region: string };
}

/** What jobs that are executed here are known under as a server's. */
const LOCAL = "local";
/** What a job of no region stands under, as in a run's results. */
const NO_REGION = "default";

/** Watches jobs and their attempts, for the metrics, the log and the trace. */
export function observeJobs(options: ObserveJobsOptions): JobObserver {
  const { log, tracing, metrics, now = Date.now } = options;
  const regions = new Set<string>();
  const watched = new Map<string, Watched>();
  /** Jobs that wait for a server, and since when. */
  const waits = new Map<string, number>();

  function regionOf(region: string | undefined): string {
    if (region === undefined) return NO_REGION;
    return regions.has(region) ? region : otherLabel;
  }

  function attempted(key: string, server: { id: string; region: string }): void {
    const job = watched.get(key);
    waits.delete(key);
    if (!job) return;
    job.server = server;
    if (job.firstAttemptAt !== undefined) return;
    job.firstAttemptAt = now();
    metrics.queueWait((job.firstAttemptAt - job.since) / 1000);
  }

  /** Watches one job while it is executed. */
  async function watch(
    { runId, jobId }: ExecuteContext,
    trace: TraceContext | undefined,
    execute: (key: string) => Promise<JobResult>,
  ): Promise<JobResult> {
    const key = `${runId}/${jobId}`;
    const job: Watched = { since: now(), ...(trace && { trace }) };
    watched.set(key, job);
    try {
      return await execute(key);
    } finally {
      waits.delete(key);
      if (watched.get(key) === job) watched.delete(key);
      const { firstAttemptAt, server } = job;
      if (firstAttemptAt !== undefined && server) {
        metrics.jobDuration(server.region, server.id, (now() - firstAttemptAt) / 1000);
      }
    }
  }

  async function remote(
    run: JobRunner,
    job: RunnerJob,
    context: ExecuteContext,
  ): Promise<JobResult> {
    const trace = await options.traceOf(context.runId);
    return watch(context, trace, (key) =>
      run(job, {
        ...context,
        onWait(reason) {
          const job = watched.get(key);
          // After an attempt that failed, a new wait begins.
          const since = job?.firstAttemptAt === undefined ? job?.since : undefined;
          waits.set(key, since ?? now());
          context.onWait?.(reason);
        },
      }),
    );
  }

  function startSpan(
    { server, runId, jobId, number }: AttemptRequest<Server>,
    job?: Watched,
  ): Span {
    return tracing.start({
      name: "orchestrator attempt",
      kind: "client",
      attributes: {
        ...(server.url !== "" && { "http.request.method": "POST", ...addressOf(server.url) }),
        "orchestrator.run.id": runId,
        "orchestrator.job.id": jobId,
        "orchestrator.attempt": number,
        "orchestrator.server": server.id,
        "orchestrator.region": server.region,
      },
      ...(job?.trace && { parent: job.trace }),
    });
  }

  function ended(runId: string, job: RunnerJob, end: JobEnd): void {
    const completed = end.type === "job.completed";
    const region = regionOf(job.region ?? (completed ? end.result.region : undefined));
    const state = end.type.slice("job.".length) as RunStateName;
    metrics.jobEnded(region, state);
    if (completed || end.type === "job.cancelled") return;
    const { code, attempts = [], durationMs } = end;
    // Not the message: it may quote what a server answered, or its URL.
    log.info(
      {
        run_id: runId,
        job_id: end.jobId,
        region,
        state,
        ...(code !== undefined && { code }),
        attempts: attempts.map(({ server, error }) => ({ server, code: error?.code })),
        ...(durationMs !== undefined && { duration_ms: durationMs }),
      },
      "job failed",
    );
  }

  return {
    remote: (run) => (job, context) => remote(run, job, context),
    local: (run) => (job, context) =>
      watch(context, undefined, async (key) => {
        const region = regionOf(job.region);
        attempted(key, { id: LOCAL, region });
        metrics.inFlight(region, LOCAL, 1);
        try {
          return await run(job, context);
        } finally {
          metrics.inFlight(region, LOCAL, -1);
        }
      }),
    aroundAttempt: (attempt) => async (request) => {
      const { onStart } = request;
      const server = { ...request.server, region: request.server.region || NO_REGION };
      const key = `${request.runId}/${request.jobId}`;
      let begun = false;
      const begin = (): void => {
        if (begun) return;
        begun = true;
        regions.add(server.region);
        attempted(key, server);
        metrics.inFlight(server.region, server.id, 1);
      };
      if (!onStart) begin();
      const span = startSpan(request, watched.get(key));
      let error: string | undefined = "cancelled";
      try {
        const watching = {
          ...request,
          trace: span.context,
          ...(onStart && {
            onStart(worker: string) {
              begin();
              onStart(worker);
            },
          }),
        };
        const end = await span.run(() => attempt(watching));
        error = errorOf(end);
        return end;
      } finally {
        if (begun) metrics.inFlight(server.region, server.id, -1);
        span.end(error === undefined ? {} : { error });
      }
    },
    alone: (dispatcher) => ({
      ...dispatcher,
      async execute(server, job, context) {
        const startedAt = now();
        const base = { jobId: context.jobId, durationMs: 0 };
        try {
          const execute: JobRunner = (one, at) => dispatcher.execute(server, one, at);
          const result = await remote(execute, job, context);
          ended(context.runId, job, { ...base, type: "job.completed", at: now(), result });
          return result;
        } catch (error) {
          const { runId, jobId, signal } = context;
          const end = failedEnd(jobId, error, now(), now() - startedAt);
          // The signal is the run's end, unless the job goes on at the next start.
          if (!signal?.aborted) ended(runId, job, end);
          else if (!isHandedBack(signal)) ended(runId, job, { ...end, type: "job.cancelled" });
          throw error;
        }
      },
    }),
    ended,
    waiting() {
      const time = now();
      let oldest = time;
      for (const since of waits.values()) oldest = Math.min(oldest, since);
      return { jobs: waits.size, oldestSeconds: (time - oldest) / 1000 };
    },
    knowRegions(names) {
      for (const name of names) regions.add(name);
    },
  };
}

function errorOf(end: AttemptEnd): string | undefined {
  if ("reply" in end) return undefined;
  return isOrchestratorError(end.error) ? end.error.code : "error";
}

/** The host of a URL, without what else may stand in it, such as a password. */
function addressOf(text: string): { "server.address"?: string; "server.port"?: number } {
  const [, host, port] =
    /^\w+:\/\/(?:[^/@]*@)?([^/:]+|\[[^\]]+\])(?::(\d+))?(?:\/|$)/.exec(text) ?? [];
  return {
    ...(host !== undefined && { "server.address": host }),
    ...(port !== undefined && { "server.port": Number(port) }),
  };
}
