import type { TraceContext } from "./observe.ts";
import type { RunnerExecuteRequest } from "./runner.ts";

/** One attempt of a job as it waits for a worker: JSON, and all that a worker needs. */
export interface WorkOrder {
  /** `<runId>/<jobId>`, the same for every attempt of the job. */
  idempotencyKey: string;
  /** 1 for the first try; rises with every attempt of the job. */
  attempt: number;
  /** What would be the body of `POST {base}/execute`. */
  request: RunnerExecuteRequest;
  /** Milliseconds the attempt may take from when a worker has begun it. */
  timeout: number;
  trace?: TraceContext;
}

/** What a worker answers: what a runner server would to `POST {base}/execute`. */
export interface WorkAnswer {
  /** As an HTTP status: 200 with the results, also failing ones, else an error of the contract. */
  status: number;
  body: unknown;
  /** Id of the worker that executed it. */
  worker: string;
}
