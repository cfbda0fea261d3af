import { isOrchestratorError } from "../core/errors.ts";
import type { RunnerErrorBody, RunnerErrorCode } from "./contract.ts";

const refusals = {
  BAD_REQUEST: [400, "Input validation failed"],
  FORBIDDEN: [403, "Pages of other sites may not start runners"],
  NOT_FOUND: [404, "Not found"],
  METHOD_NOT_ALLOWED: [405, "Method not allowed"],
  IDEMPOTENCY_KEY_REUSED: [409, "The Idempotency-Key was used before with another body"],
  PAYLOAD_TOO_LARGE: [413, "The request body is too large"],
  // The field answers these three with a 500, and its clients expect it.
  RUNNER_NOT_FOUND: [500, "One or more runners not found"],
  INPUT_VALIDATION_FAILED: [500, "Runner input validation failed"],
  EXECUTION_FAILED: [500, "Runner execution failed"],
  SERVICE_UNAVAILABLE: [503, "The server is shutting down and takes no new work"],
} as const satisfies Record<RunnerErrorCode, readonly [status: number, message: string]>;

const contractCodes: ReadonlySet<RunnerErrorCode> = new Set([
  "RUNNER_NOT_FOUND",
  "INPUT_VALIDATION_FAILED",
  "EXECUTION_FAILED",
]);

/** The message of a body that is no JSON, as the field's servers word it. */
export const malformedMessage =
  "Malformed request. Ensure the request body is properly formatted and the 'Content-Type' header is set correctly.";

/** A request that is answered with an error; thrown where it is noticed, sent in one place. */
export class Refusal extends Error {
  readonly body: RunnerErrorBody;
  readonly headers: Record<string, string>;

  constructor(
    code: RunnerErrorCode,
    options: {
      message?: string;
      data?: Record<string, unknown>;
      headers?: Record<string, string>;
    } = {},
  ) {
    const body = errorBody(code, options.data, options.message);
    super(body.message);
    this.body = body;
    this.headers = options.headers ?? {};
  }
}

/** The JSON body of an error, with the code's own status and, unless given, message. */
export function errorBody(
  code: RunnerErrorCode,
  data?: Record<string, unknown>,
  message?: string,
): RunnerErrorBody {
  const [status, usual] = refusals[code];
  return {
    defined: contractCodes.has(code),
    code,
    status,
    message: message ?? usual,
    ...(data && { data }),
  };
}

/** The answer to whatever went wrong; what nobody foresaw is the harness's own failure. */
export function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (isOrchestratorError(error)) {
    const { code, data } = error;
    if (code === "RUNNER_NOT_FOUND" || code === "INPUT_VALIDATION_FAILED") {
      return new Refusal(code, { data });
    }
  }
  const details = error instanceof Error ? error.message : String(error);
  return new Refusal("EXECUTION_FAILED", { data: { details } });
}
