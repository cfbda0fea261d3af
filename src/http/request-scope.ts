import type { Log, TraceContext } from "../types/observe.ts";

/** What belongs to one request and is not in it. */
export interface RequestScope {
  /** Its `X-Request-Id`, the caller's or ours. */
  readonly id: string;
  /** A log whose lines carry the id. */
  readonly log: Log;
  readonly trace: TraceContext;
  /** What went wrong that nobody foresaw. */
  failure?: { cause: unknown };
}

const scopes = new WeakMap<Request, RequestScope>();

/** Gives a request its scope; also one that stands for another, and so has the same. */
export function openScope(request: Request, scope: RequestScope): void {
  scopes.set(request, scope);
}

/** The scope of a request that is being answered. */
export function scopeOf(request: Request): RequestScope | undefined {
  return scopes.get(request);
}

/** Writes down that a request has started a run. */
export function logStarted(scope: RequestScope | undefined, workflow: string, runId: string): void {
  scope?.log.info({ run_id: runId, workflow }, "run submitted");
}
