import type { PullMode, RunMode } from "../types/run.ts";

/** What to set, so that a mode has its executor. */
const configuredBy: Record<PullMode, string> = {
  redis:
    "ORCHESTRATOR_REDIS_URL or the option orchestrator.executors.redis, and install bullmq and ioredis",
  postgres:
    "ORCHESTRATOR_POSTGRES_URL, or the option orchestrator.executors.postgres, and install pg and graphile-worker",
  k8s: "ORCHESTRATOR_KUBERNETES, or the option orchestrator.executors.kubernetes, and install @kubernetes/client-node",
};

/** Modes whose jobs wait for a worker, which pulls them. */
export const pullModes: readonly PullMode[] = ["redis", "postgres", "k8s"];

/** All modes that execute jobs. */
export const runModes: readonly RunMode[] = ["local", "remote", ...pullModes];

/** All modes as a sentence has them, `plan` too. */
export const modesInWords: string = [...runModes, "plan"].map((mode) => `'${mode}'`).join(", ");

/** Whether a mode's jobs wait for a worker, which pulls them. */
export function isPullMode(mode: RunMode): mode is PullMode {
  return (pullModes as readonly RunMode[]).includes(mode);
}

/** What is said, after the word `mode`, of one whose executor is not there. */
export function notConfigured(mode: RunMode): string {
  return `'${mode}' has no executor here: set ${configuredBy[mode as PullMode]}`;
}
