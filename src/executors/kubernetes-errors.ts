import { OrchestratorError } from "../core/errors.ts";
import { isPlainObject } from "../core/runner-result.ts";

/** What the API server refused, or that it was not reached. */
export class ApiError extends Error {
  /** The HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** What Kubernetes calls it, such as `AlreadyExists`. */
  readonly reason: string;
  /** Milliseconds after which it may be asked again. */
  readonly retryAfter?: number;

  constructor(
    message: string,
    { status = 0, reason = "", retryAfter, cause }: ApiErrorOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ApiError";
    this.status = status;
    this.reason = reason;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }
}

interface ApiErrorOptions {
  status?: number;
  reason?: string;
  retryAfter?: number;
  cause?: unknown;
}

/** What is asked for, as a Role names it. */
export interface Access {
  verb: "create" | "delete" | "get" | "list" | "watch";
  resource: "events" | "jobs" | "pods" | "pods/log" | "secrets";
  namespace: string;
}

/** The error of an answer, whose body is a `Status` where it comes from Kubernetes. */
export function apiError(status: number, text: string, retryAfter: number | undefined): ApiError {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // A proxy in between answers what it likes.
  }
  const { message, reason } = isPlainObject(body) ? body : {};
  const said = typeof message === "string" ? message : text.slice(0, 200).trim();
  return new ApiError(said === "" ? `status ${status}` : said, {
    status,
    reason: typeof reason === "string" ? reason : "",
    ...(retryAfter !== undefined && { retryAfter }),
  });
}

/** Whether the same request may succeed a little later. */
export function isPassing(error: unknown): error is ApiError {
  return (
    error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500)
  );
}

/** Whether a quota has no room for it just now, which Kubernetes says with its 403. */
export function isOverQuota(error: unknown): error is ApiError {
  return (
    error instanceof ApiError && error.status === 403 && error.message.includes("exceeded quota")
  );
}

/** Whether an error is one of that status. */
export function hasStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}

/** The error of an attempt that Kubernetes refused: what is refused once is refused again. */
export function refused(error: ApiError, access: Access): OrchestratorError {
  const { verb, resource, namespace } = access;
  const what = `${verb} ${resource} in namespace ${namespace}`;
  const options = { cause: error };
  if (error.status === 401) {
    return new OrchestratorError(
      "SERVER_REJECTED",
      `Kubernetes does not know the credentials it was asked with (to ${what}): ${error.message}`,
      options,
    );
  }
  if (
    error.status === 403 &&
    error.reason === "Forbidden" &&
    /cannot \w+ resource/.test(error.message)
  ) {
    const group = resource === "jobs" ? "batch" : "";
    return new OrchestratorError(
      "SERVER_REJECTED",
      `Kubernetes does not let the orchestrator ${what}: give its service account a Role with the verb "${verb}" on "${resource}" of apiGroup "${group}" (${error.message})`,
      options,
    );
  }
  return new OrchestratorError(
    "SERVER_REJECTED",
    `Kubernetes refused to ${what}: ${error.message}`,
    options,
  );
}

/** The error of an attempt whose API server stays away. */
export function unreachable(error: ApiError, ms: number): OrchestratorError {
  return new OrchestratorError(
    "SERVER_UNREACHABLE",
    `The API server of Kubernetes has been away for ${ms} ms: ${error.message}`,
    {
      retryable: true,
      cause: error,
      ...(error.retryAfter !== undefined && { retryAfter: error.retryAfter }),
    },
  );
}
