import type { Pool } from "pg";
import { HookNotFoundError } from "workflow/internal/errors";
import type { Storage } from "./events.ts";
import { engineWorld, requireFromEngineWorld } from "./package.ts";
import { patiently } from "./pool.ts";
import { isOfDatabase } from "./transactions.ts";

/**
 * The storage of the engine's World for Postgres, on a pool of ours. Nothing else of that World is used, and it is
 * neither started nor closed.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, where the package is not installed
 */
export function createStorage(pool: Pool): Storage & { specVersion: number } {
  const { createWorld } = requireFromEngineWorld()(engineWorld) as {
    createWorld: (config: { pool: Pool }) => Storage & { specVersion: number };
  };
  const { specVersion, runs, steps, hooks, events } = createWorld({ pool });
  return { specVersion, runs, steps, hooks, events };
}

/** The same storage, whose reads are tried again while Postgres is away. */
export function patientReads(
  { runs, steps, hooks, events }: Storage,
  patience: Parameters<typeof patiently>[2],
): Storage {
  const retried = <T extends object>(part: T): T =>
    Object.fromEntries(
      Object.entries(part as Record<string, (...args: unknown[]) => Promise<unknown>>).map(
        ([name, read]) => [
          name,
          (...args: unknown[]) => patiently(() => read(...args), isOfDatabase, patience),
        ],
      ),
    ) as T;
  const { create, ...reads } = events;
  const { get, ...others } = retried(hooks);
  return {
    runs: retried(runs),
    steps: retried(steps),
    hooks: {
      ...others,
      async get(hookId, params) {
        try {
          return await get(hookId, params);
        } catch (error) {
          // That is what it answers where there is none.
          if (error instanceof TypeError) throw new HookNotFoundError(hookId);
          throw error;
        }
      },
    },
    events: { ...retried(reads), create },
  };
}
