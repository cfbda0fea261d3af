/** Errors of something that was out of reach for as long as was waited for it. */
const outages = new WeakSet<object>();

/** Notes that an error came when patience was over, so that who is around it need not wait anew. */
export function noteOutage(error: unknown): void {
  if (error instanceof Error) outages.add(error);
}

/** Whether an error, or one that it came from, is of something that was out of reach for long. */
export function isOutage(error: unknown): boolean {
  return hasCause(error, (one) => outages.has(one));
}

/** Whether an error, or one that it came from, is such a one: the engine's storage wraps those of Postgres. */
export function hasCause(error: unknown, isSuch: (error: Error) => boolean): boolean {
  let reason = error;
  for (let depth = 0; depth < 6 && reason instanceof Error; depth++) {
    if (isSuch(reason)) return true;
    reason = reason.cause;
  }
  return false;
}
