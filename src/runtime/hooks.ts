import { resumeHook } from "workflow/api";
import type { World } from "./engine-world.ts";

/** A hook that a workflow waits for. */
export type Hook = Awaited<ReturnType<World["hooks"]["list"]>>["data"][number];

/** The hooks that stand, of one run or of all, page by page. */
export async function* hooksOf(world: World, runId?: string): AsyncGenerator<Hook> {
  let cursor: string | undefined;
  do {
    const page = await world.hooks.list({
      ...(runId !== undefined && { runId }),
      pagination: { limit: 100, ...(cursor !== undefined && { cursor }) },
    });
    yield* page.data;
    cursor = page.hasMore ? (page.cursor ?? undefined) : undefined;
  } while (cursor !== undefined);
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

/** Looks after hooks whose workflow nobody else wakes. */
export interface HookSweep {
  /** Looks at all of them now, and from then on every so often. */
  start(): Promise<void>;
  /** Looks at all of them, also at those that a look under way has passed. */
  again(): Promise<void>;
  stop(): void;
}

/** How often hooks are looked at. */
export const SWEEP_MS = 60_000;

/**
 * Wakes by sweeps what a process left waiting that died between storing something and waking, and what waits
 * for a time to come.
 *
 * @param parts.wake wakes a hook's workflow where it is due
 * @param parts.note told what went wrong; the next sweep tries again
 */
export function createHookSweep(parts: {
  world: () => World;
  wake: (hook: Hook) => Promise<void>;
  note: (message: string) => void;
  every?: number;
}): HookSweep {
  const { world, wake, note, every = SWEEP_MS } = parts;
  let timer: ReturnType<typeof setInterval> | undefined;
  let sweeping: Promise<void> | undefined;

  async function sweep(): Promise<void> {
    try {
      for await (const hook of hooksOf(world())) {
        // One that cannot be woken must keep nobody else waiting.
        await wake(hook).catch((error: unknown) => noteFailure(`run ${hook.runId} waits`, error));
      }
    } catch (error) {
      noteFailure("runs wait", error);
    }
  }

  function noteFailure(who: string, error: unknown): void {
    note(`${who} for the next look at hooks: ${(error as Error).message}`);
  }

  const once = (): Promise<void> =>
    (sweeping ??= sweep().finally(() => {
      sweeping = undefined;
    }));

  return {
    async start() {
      await once();
      timer ??= setInterval(() => void once(), every).unref();
    },
    async again() {
      await sweeping;
      await once();
    },
    stop: () => clearInterval(timer),
  };
}
