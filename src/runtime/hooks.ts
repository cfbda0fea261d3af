import { resumeHook } from "workflow/api";
import type { World } from "./engine-world.ts";

/** A hook that a workflow waits for. */
export type Hook = Awaited<ReturnType<World["hooks"]["list"]>>["data"][number];

/** All hooks that stand, of one run or of all. */
export async function listHooks(world: World, runId?: string): Promise<Hook[]> {
  const found: Hook[] = [];
  let cursor: string | undefined;
  do {
    const page = await world.hooks.list({
      ...(runId !== undefined && { runId }),
      pagination: { limit: 100, ...(cursor !== undefined && { cursor }) },
    });
    found.push(...page.data);
    cursor = page.hasMore ? (page.cursor ?? undefined) : undefined;
  } while (cursor !== undefined);
  return found;
}

/** Wakes the workflow that waits for a hook, unless it waits no more, or has ended, or there is none. */
export async function resumeWaiting(token: string, payload: unknown): Promise<void> {
  const gone = [
    "EntityConflictError",
    "HookNotFoundError",
    "RunExpiredError",
    // A World that others prune may have kept the hook.
    "WorkflowRunNotFoundError",
  ];
  try {
    await resumeHook(token, payload);
  } catch (error) {
    if (!(error instanceof Error && gone.includes(error.name))) throw error;
  }
}
