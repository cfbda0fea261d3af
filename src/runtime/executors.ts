import { assertPostgresUrl, assertRedisUrl } from "../core/executor-options.ts";
import { failureMessage } from "../core/job-ends.ts";
import { noWorker, queueOf } from "../core/pull.ts";
import { readKubernetesVariable } from "../executors/kubernetes-variable.ts";
import { createKubernetesExecutor } from "../executors/kubernetes.ts";
import { createPostgresExecutor } from "../executors/postgres.ts";
import { createRedisExecutor } from "../executors/redis.ts";
import type { Preview } from "../core/preview.ts";
import type { ResolvedExecutors } from "../types/config.ts";
import type { Executor } from "../types/executor.ts";
import type { PlannedJob, PullMode, RunMode } from "../types/run.ts";

/** What executors are configured with. */
export interface ExecutorsParts {
  config: ResolvedExecutors;
  env: Record<string, string | undefined>;
}

/** The executors from which workers pull. */
export interface Executors {
  /** All modes whose executor is there, `local` and `remote` too. */
  readonly modes: ReadonlySet<RunMode>;
  /** Loads and starts those that are configured; rejects where one cannot be used. */
  start(): Promise<void>;
  /** The executor of a mode; undefined for one that is not configured, and before the start. */
  of(mode: PullMode): Executor | undefined;
  /** Which queues jobs would go to, and for those without a worker that there is none. */
  preview(mode: PullMode, jobs: readonly PlannedJob[]): Promise<Preview[]>;
  close(): Promise<void>;
}

/**
 * What opens an executor, which loads its packages only then, or answers that it is not there after all;
 * undefined where nobody configures it.
 */
type Entry = (parts: ExecutorsParts) => (() => Promise<Executor | undefined>) | undefined;

const entries: Partial<Record<PullMode, Entry>> = {
  redis({ config: { redis }, env }) {
    const url = redis.url ?? (env.ORCHESTRATOR_REDIS_URL || undefined);
    return url === undefined ? undefined : () => openRedisExecutor({ ...redis, url }, redis.url);
  },
  postgres({ config: { postgres }, env }) {
    if (postgres.url !== undefined) {
      const path = "orchestrator.executors.postgres";
      return () => createPostgresExecutor({ ...postgres, path });
    }
    if (env.ORCHESTRATOR_POSTGRES_URL) {
      const { ORCHESTRATOR_POSTGRES_URL: url } = env;
      return () => openPostgresExecutor(url, "ORCHESTRATOR_POSTGRES_URL");
    }
    // Where the World is Postgres, workers may pull from the same.
    const url = env.WORKFLOW_POSTGRES_URL;
    if (env.WORKFLOW_TARGET_WORLD !== "@workflow/world-postgres" || !url) return undefined;
    return () => openPostgresExecutor(url, "WORKFLOW_POSTGRES_URL");
  },
  k8s({ config: { kubernetes }, env }) {
    const variable = env.ORCHESTRATOR_KUBERNETES;
    if (kubernetes) return async () => createKubernetesExecutor(kubernetes);
    if (!variable) return undefined;
    const name = "ORCHESTRATOR_KUBERNETES";
    return async () => createKubernetesExecutor(await readKubernetesVariable(variable, name), name);
  },
};

async function openRedisExecutor(
  place: { url: string; prefix: string },
  configured: string | undefined,
): Promise<Executor | undefined> {
  if (configured === undefined) assertRedisUrl(place.url, "ORCHESTRATOR_REDIS_URL");
  try {
    return await createRedisExecutor({ ...place, path: "orchestrator.executors.redis" });
  } catch (error) {
    // The variable may be there for rate limits alone, which do without BullMQ.
    if (configured === undefined && isMissingPackage(error)) return undefined;
    throw error;
  }
}

async function openPostgresExecutor(url: string, name: string): Promise<Executor | undefined> {
  assertPostgresUrl(url, name);
  try {
    return await createPostgresExecutor({ url });
  } catch (error) {
    // The World's variable may be there for runs alone, which do without these packages.
    if (name === "WORKFLOW_POSTGRES_URL" && isMissingPackage(error)) return undefined;
    throw error;
  }
}

function isMissingPackage(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: unknown } };
  return cause?.code === "ERR_MODULE_NOT_FOUND";
}

/** The executors that the options and the environment configure; none is loaded before the start. */
export function createExecutors(parts: ExecutorsParts): Executors {
  const modes = new Set<RunMode>(["local", "remote"]);
  const configured = new Map<PullMode, () => Promise<Executor | undefined>>();
  for (const [mode, entry] of Object.entries(entries) as [PullMode, Entry][]) {
    const open = entry(parts);
    if (!open) continue;
    configured.set(mode, open);
    modes.add(mode);
  }
  const open = new Map<PullMode, Executor>();

  return {
    modes,
    async start() {
      for (const [mode, load] of configured) {
        const executor = await load();
        if (!executor) {
          modes.delete(mode);
          continue;
        }
        open.set(mode, executor);
        await executor.start?.();
      }
    },
    of: (mode) => open.get(mode),
    async preview(mode, jobs) {
      const executor = open.get(mode);
      if (!executor) return jobs.map(() => ({ reason: "The orchestrator has not started" }));
      const regions = [...new Set(jobs.map(({ region = "" }) => region))];
      const previews = new Map(
        await Promise.all(
          regions.map(async (region) => [region, await previewOf(executor, region)] as const),
        ),
      );
      return jobs.map(({ region = "" }) => previews.get(region)!);
    },
    async close() {
      await Promise.all([...open.values()].map((executor) => executor.close?.()));
    },
  };
}

async function previewOf(executor: Executor, region: string): Promise<Preview> {
  const server = queueOf(executor, region).id;
  if (!executor.workers) return { server };
  try {
    const workers = await executor.workers(region);
    return workers > 0 ? { server } : { server, reason: failureMessage(noWorker(region)) };
  } catch (error) {
    return { server, reason: failureMessage(error) };
  }
}
