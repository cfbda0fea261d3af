/** What happens next decides the class of an error, and its code says which it is. */
export type ErrorCode =
  | "ATTEMPTS_EXHAUSTED"
  | "CONFIG_INVALID"
  | "EXECUTION_FAILED"
  | "INPUT_VALIDATION_FAILED"
  | "INVALID_RESPONSE"
  | "INVALID_STATE"
  | "NOT_JSON"
  | "NO_SERVER_AVAILABLE"
  | "RESPONSE_TOO_LARGE"
  | "RUNNER_NOT_FOUND"
  | "SERVER_ERROR"
  | "SERVER_REJECTED"
  | "SERVER_TIMEOUT"
  | "SERVER_UNREACHABLE"
  | "UNKNOWN_EXECUTION"
  | "UNKNOWN_SERVER"
  | "WORKER_LOST";

/** An error as plain data, for the engine's boundary, where classes lose their type. */
export interface ErrorData {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  retryAfter?: number;
  data?: Record<string, unknown>;
}

const brand = "@runners/orchestrator/error";

/**
 * Every failure of this package. Recognise one with `isOrchestratorError`, which also works across
 * realms and copies of the package, and tell them apart by `code`.
 */
export class OrchestratorError extends Error {
  readonly brand: typeof brand = brand;
  readonly code: ErrorCode;
  /** Whether the same job may succeed on another server or later. */
  readonly retryable: boolean;
  /** Milliseconds the server asked to wait. */
  readonly retryAfter?: number;
  /** What the code's documentation promises beside the message. */
  readonly data?: Record<string, unknown>;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      retryable?: boolean;
      retryAfter?: number;
      data?: Record<string, unknown>;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "OrchestratorError";
    this.code = code;
    this.retryable = options.retryable ?? false;
    if (options.retryAfter !== undefined) this.retryAfter = options.retryAfter;
    if (options.data !== undefined) this.data = options.data;
  }

  toJSON(): ErrorData {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.retryAfter !== undefined && { retryAfter: this.retryAfter }),
      ...(this.data !== undefined && { data: this.data }),
    };
  }
}

/** True for an `OrchestratorError`, whichever copy of the package made it. */
export function isOrchestratorError(value: unknown): value is OrchestratorError {
  return (
    typeof value === "object" && value !== null && (value as { brand?: unknown }).brand === brand
  );
}

/** Why something failed, without the prefix that errors of the World carry themselves. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^\[orchestrator\] /, "");
}

/** The error that plain data stands for. */
export function errorFromData(data: ErrorData): OrchestratorError {
  return new OrchestratorError(data.code, data.message, data);
}
