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
  // h3 wraps what a handler throws.
  const cause = error instanceof Error && error.cause instanceof HttpProblem ? error.cause : error;
  if (cause instanceof HttpProblem) {
    return Response.json(cause.body, { status: cause.status, headers: cause.headers });
  }
  console.error("[orchestrator] request failed:", cause);
  return Response.json({ error: "Orchestrator execution failed" }, { status: 500 });
}
