import { OrchestratorError } from "../core/errors.ts";
import { isPlainObject, sanitizeResults } from "../core/runner-result.ts";
import type { ExecuteRequest } from "../types/executor.ts";
import type { RunnerExecuteReply, RunnerExecuteRequest } from "../types/runner.ts";
import type { WorkAnswer, WorkOrder } from "../types/work.ts";
import { invalidResponse, responseError } from "./http-response.ts";

/** What runners are asked for: the body of `POST {base}/execute`. */
export function executeBody({ job, runId, server }: ExecuteRequest): RunnerExecuteRequest {
  const region = job.region ?? (server.region || undefined);
  return {
    runners: job.runners,
    ...(job.url !== undefined && { url: job.url }),
    ...(runId !== undefined && { runId }),
    ...(region !== undefined && { region }),
    ...(job.input !== undefined && { input: job.input }),
  };
}

/** An attempt as a worker gets it. */
export function orderOf(request: ExecuteRequest): WorkOrder {
  const { idempotencyKey, attempt, timeout, trace } = request;
  return {
    idempotencyKey,
    attempt,
    request: executeBody(request),
    timeout,
    ...(trace && { trace }),
  };
}

/**
 * The results out of a worker's answer.
 *
 * @throws OrchestratorError as it is for a runner server: one of the contract, `SERVER_ERROR`,
 * `SERVER_REJECTED`, or `INVALID_RESPONSE` for what is no answer
 */
export function replyOf(answer: unknown, request: ExecuteRequest): RunnerExecuteReply {
  const { server } = request;
  if (!isAnswer(answer)) throw invalidResponse(server, "no answer", JSON.stringify(answer) ?? "");
  const from = { ...server, id: answer.worker };
  const text = JSON.stringify(answer.body) ?? "";
  if (answer.status !== 200) {
    throw responseError({ status: answer.status, headers: new Headers() }, text, from);
  }
  return readReply(answer.body, text, { ...request, server: from });
}

/**
 * A runner server's reply, its results as they should be.
 *
 * @throws OrchestratorError `INVALID_RESPONSE`
 */
export function readReply(
  body: unknown,
  text: string,
  { server, job }: ExecuteRequest,
): RunnerExecuteReply {
  if (!isPlainObject(body) || !Array.isArray(body.results)) {
    throw invalidResponse(server, "no list of results", text);
  }
  const { region, runId, results } = body;
  return {
    ...(typeof region === "string" && { region }),
    ...(typeof runId === "string" && { runId }),
    results: sanitizeResults(results as unknown[], job.runners),
  };
}

/** The error of an attempt whose worker died with it, or was cut off from its queue. */
export function workerLost(worker: string, reason: string): OrchestratorError {
  return new OrchestratorError("WORKER_LOST", `Worker ${worker} was lost: ${reason}`, {
    retryable: true,
  });
}

function isAnswer(value: unknown): value is WorkAnswer {
  return (
    isPlainObject(value) && typeof value.status === "number" && typeof value.worker === "string"
  );
}

/** Bytes of an order, and of its answer, at most. */
export const orderLimits: { readonly order: number; readonly answer: number } = {
  // As much as a runner server takes.
  order: 1024 * 1024,
  answer: 5 * 1024 * 1024,
};

/**
 * An order as it is sent.
 *
 * @throws OrchestratorError `SERVER_REJECTED` for one that is over the limit
 */
export function orderText(order: WorkOrder, { id }: { id: string }): string {
  const text = JSON.stringify(order);
  const bytes = Buffer.byteLength(text);
  if (bytes <= orderLimits.order) return text;
  const message = `${id} takes orders of at most ${orderLimits.order} bytes (got ${bytes})`;
  throw new OrchestratorError("SERVER_REJECTED", message);
}

/** The error of an answer that its worker did not send, since it is over the limit. */
export function answerTooLarge(worker: string): OrchestratorError {
  return new OrchestratorError(
    "RESPONSE_TOO_LARGE",
    `Worker ${worker} answered with more than ${orderLimits.answer} bytes`,
  );
}

/** The error of an attempt whose time was up. */
export function orderTimedOut(worker: string, timeout: number): OrchestratorError {
  return new OrchestratorError(
    "SERVER_TIMEOUT",
    `Worker ${worker} did not answer in ${timeout} ms`,
    { retryable: true },
  );
}
