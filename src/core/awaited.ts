/** What a run's hook waits for: the n-th checkpoint of a type. */
export interface Awaited {
  runId: string;
  /** 1 for the first checkpoint of this type. */
  ordinal: number;
  type: string;
  /** Epoch milliseconds at which the wait is over. */
  deadline?: number;
}

const prefix = "@runners/orchestrator//checkpoint/";

/**
 * The engine's token of the hook that waits for a checkpoint.
 *
 * @param call number of the call in its run, since a token that was used once may still be taken
 */
export function awaitedToken({ runId, ordinal, type, deadline }: Awaited, call: number): string {
  return `${prefix}${runId}/${call}/${ordinal}/${deadline ?? ""}/${type}`;
}

/** What a token's hook waits for; undefined for a hook of somebody else's. */
export function parseAwaitedToken(token: string): Awaited | undefined {
  if (!token.startsWith(prefix)) return undefined;
  const [, runId, ordinal, deadline, type] =
    /^([^/]+)\/\d+\/(\d+)\/(\d*)\/(.*)$/su.exec(token.slice(prefix.length)) ?? [];
  if (runId === undefined || ordinal === undefined || type === undefined) return undefined;
  return { runId, ordinal: Number(ordinal), type, ...(deadline && { deadline: Number(deadline) }) };
}
