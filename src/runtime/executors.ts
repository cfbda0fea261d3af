import { assertRedisUrl } from "../core/executor-options.ts";
import { failureMessage } from "../core/job-ends.ts";
import { noWorker, queueOf } from "../core/pull.ts";
import { runModes } from "../core/run-modes.ts";
import { readKubernetesVariable } from "../executors/kubernetes-variable.ts";
import { createKubernetesExecutor } from "../executors/kubernetes.ts";
import { createRedisExecutor } from "../executors/redis.ts";
import type { Preview } from "../core/preview.ts";
import type { ExecutorsConfig } from "../types/config.ts";
import type { Executor } from "../types/executor.ts";
import type { PlannedJob, PullMode, RunMode } from "../types/run.ts";

/** What executors are configured with. */
export interface ExecutorsParts {
  config: ExecutorsConfig;
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

/** What opens an executor, which loads its packages only then; undefined where nobody configures it. */
type Entry = (parts: ExecutorsParts) => (() => Promise<Executor>) | undefined;

const entries: Partial<Record<PullMode, Entry>> = {
  redis({ config: { redis }, env }) {
    const url = redis?.url ?? (env.ORCHESTRATOR_REDIS_URL || undefined);
    if (url === undefined && !redis) return undefined;
    return async () => {
      if (redis?.url === undefined && url !== undefined)
        assertRedisUrl(url, "ORCHESTRATOR_REDIS_URL");
      const path = "orchestrator.executors.redis";
      return createRedisExecutor({ ...redis, ...(url !== undefined && { url }), path });
    };
  },
  k8s({ config: { kubernetes }, env }) {
    const variable = env.ORCHESTRATOR_KUBERNETES;
    if (!kubernetes && !variable) return undefined;
    return async () => {
      if (kubernetes) return createKubernetesExecutor(kubernetes);
      const name = "ORCHESTRATOR_KUBERNETES";
      return createKubernetesExecutor(await readKubernetesVariable(variable!, name), name);
    };
  },
};

/** The executors that the options and the environment configure; none is loaded before the start. */
export function createExecutors(parts: ExecutorsParts): Executors {
  const configured = new Map<PullMode, () => Promise<Executor>>();
  for (const [mode, entry] of Object.entries(entries) as [PullMode, Entry][]) {
    const open = entry(parts);
    if (open) configured.set(mode, open);
  }
  const open = new Map<PullMode, Executor>();

  return {
    modes: new Set(
      runModes.filter(
        (mode) => mode === "local" || mode === "remote" || configured.has(mode as PullMode),
      ),
    ),
    async start() {
      for (const [mode, load] of configured) {
        const executor = await load();
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
