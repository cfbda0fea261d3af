import { isOrchestratorError } from "../core/errors.ts";
import { isOutage } from "../core/outage.ts";
import type { ValidationIssue } from "../types/manifest.ts";
import type { RunErrorBody, RunErrorCode } from "./schemas.ts";

/** An error that a caller caused or can act on, as it is sent. */
export class HttpProblem extends Error {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Record<string, string>;

  /** @param rest what stands beside `error` in the body */
  constructor(
    status: number,
    error: string,
    rest: Record<string, unknown> = {},
    headers: Record<string, string> = {},
  ) {
    super(error);
    this.name = "HttpProblem";
    this.status = status;
    this.body = { error, ...rest };
    this.headers = headers;
  }
}

/** The answer to whatever was thrown: what nobody foresaw is kept for the log, and tells a caller nothing of our insides. */
export function errorResponse(error: unknown): Response {
  const problem = invalidPlan(error) ?? problemOf(error);
  if (problem) {
    return Response.json(problem.body, { status: problem.status, headers: problem.headers });
  }
  const body = { error: "Orchestrator execution failed" };
  return withFailure(error, Response.json(body, { status: 500 }));
}

/** What nobody foresaw, by the response that stands for it. */
const failures = new WeakMap<object, { cause: unknown }>();

/** What nobody foresaw and a response stands for. */
export function failureOf(response: unknown): { cause: unknown } | undefined {
  return response instanceof Response ? failures.get(response) : undefined;
}

function withFailure(error: unknown, response: Response): Response {
  failures.set(response, { cause: causeOf(error) });
  return response;
}

const codes: Record<number, RunErrorCode> = {
  400: "BAD_REQUEST",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  409: "CONFLICT",
  413: "PAYLOAD_TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
  503: "SERVICE_UNAVAILABLE",
};

/** The answer to whatever was thrown, in the form of the run routes: `{defined, code, status, message, data}`. */
export function runErrorResponse(error: unknown): Response {
  const problem = invalidPlan(error) ?? problemOf(error);
  const status = problem && problem.status in codes ? problem.status : 500;
  const message = problem?.message ?? "Orchestrator execution failed";
  const code = codes[status] ?? "INTERNAL_SERVER_ERROR";
  const body: RunErrorBody = {
    defined: false,
    code,
    status,
    message,
    data: { issues: issuesOf(problem) ?? [{ path: [], message, code: code.toLowerCase() }] },
  };
  const response = Response.json(body, { status, ...(problem && { headers: problem.headers }) });
  return problem ? response : withFailure(error, response);
}

/** What a caller is told; undefined for what nobody foresaw. */
function problemOf(error: unknown): HttpProblem | undefined {
  const cause = causeOf(error);
  if (cause instanceof HttpProblem) return cause;
  return isOutage(cause) ? worldAway() : undefined;
}

/** The 503 of a World that was waited for in vain. */
export function worldAway(): HttpProblem {
  return new HttpProblem(503, "The World is out of reach: try again", {}, { "retry-after": "5" });
}

/** What was thrown, which h3 wraps. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof HttpProblem ? error.cause : error;
}

/** What the core refuses of a request. */
function invalidPlan(error: unknown): HttpProblem | undefined {
  if (!isOrchestratorError(error) || error.code !== "INPUT_VALIDATION_FAILED") return undefined;
  return new HttpProblem(400, error.message, error.data);
}

function issuesOf(problem: HttpProblem | undefined): ValidationIssue[] | undefined {
  const issues = problem?.body.issues as ValidationIssue[] | undefined;
  return issues?.map((issue) => ({ ...issue, code: issue.code ?? "custom" }));
}
