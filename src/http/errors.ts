import { isOrchestratorError } from "../core/errors.ts";
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

/** The answer to whatever was thrown: what nobody foresaw is logged, and tells a caller nothing of our insides. */
export function errorResponse(error: unknown): Response {
  const problem = invalidPlan(error) ?? problemOf(error);
  if (problem) {
    return Response.json(problem.body, { status: problem.status, headers: problem.headers });
  }
  return Response.json({ error: "Orchestrator execution failed" }, { status: 500 });
}

const codes: Record<number, RunErrorCode> = {
  400: "BAD_REQUEST",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  409: "CONFLICT",
  413: "PAYLOAD_TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
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
  return Response.json(body, { status, ...(problem && { headers: problem.headers }) });
}

/** What a caller is told; undefined, and logged, for what nobody foresaw. */
function problemOf(error: unknown): HttpProblem | undefined {
  // h3 wraps what a handler throws.
  const cause = error instanceof Error && error.cause instanceof HttpProblem ? error.cause : error;
  if (cause instanceof HttpProblem) return cause;
  console.error("[orchestrator] request failed:", cause);
  return undefined;
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
