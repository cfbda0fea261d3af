import { OrchestratorError, isOrchestratorError, reasonOf } from "../core/errors.ts";
import { parseKubernetesOptions } from "../core/kubernetes-options.ts";
import { firstOf } from "../core/sleep.ts";
import type { Executor } from "../types/executor.ts";
import type { KubernetesConfig } from "../types/kubernetes.ts";
import { type KubernetesEnd, runAttempt } from "./kubernetes-attempt.ts";
import { type Cluster, openCluster } from "./kubernetes-cluster.ts";
import { hasStatus } from "./kubernetes-errors.ts";
import { jobName } from "./kubernetes-job.ts";
import { persistently } from "./kubernetes-retry.ts";
import type { KubernetesTarget } from "./kubernetes-target.ts";

export type { KubernetesConfig, KubernetesRegionConfig } from "../types/kubernetes.ts";

/** Milliseconds that a pod may take to start where an attempt does not say how long it waits. */
const WAIT_MS = 300_000;

/** Milliseconds in which a Job that is over is deleted, while the API server is away. */
const DELETE_MS = 120_000;

/** Milliseconds that a close waits for what is still to be deleted. */
const CLOSE_MS = 2000;

/**
 * Executes each attempt as a Job of Kubernetes, made from a template, whose pod is `orchestrator worker --order`
 * with your runners.
 *
 * The same attempt handed in twice, also by an orchestrator that came back, finds its Job and is executed
 * once. Rejects with `NO_SERVER_AVAILABLE` where no pod starts in time, `WORKER_LOST`, `SERVER_TIMEOUT`,
 * `SERVER_UNREACHABLE`, `SERVER_REJECTED`, `RESPONSE_TOO_LARGE`, what the runners' contract has, or the
 * signal's reason, with which the Job is deleted.
 *
 * @param path what errors call the options
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function createKubernetesExecutor(
  config: KubernetesConfig,
  path: string = "orchestrator.executors.kubernetes",
): Executor {
  const options = parseKubernetesOptions(config, path);
  const closing = new AbortController();
  /** Jobs that are being deleted, by name. */
  const farewells = new Map<string, Promise<void>>();
  /** How many attempts of this process wait for a Job: the last one to go may delete it. */
  const waiting = new Map<string, number>();
  let starting: Promise<Cluster> | undefined;

  /** One that failed is started anew by the next attempt. */
  function start(): Promise<Cluster> {
    starting ??= openCluster(options, path).catch((error: unknown) => {
      starting = undefined;
      throw error;
    });
    return starting;
  }

  function mayDelete({ reply, error, asked, ended }: KubernetesEnd): boolean {
    if (reply || !asked || ended || closing.signal.aborted) return false;
    // One that is for another order is not ours.
    return !(
      isOrchestratorError(error) &&
      error.code === "SERVER_REJECTED" &&
      error.cause === undefined
    );
  }

  async function remove(target: KubernetesTarget, name: string, uid?: string): Promise<void> {
    const { api, namespace } = target;
    const path = `/apis/batch/v1/namespaces/${namespace}/jobs/${name}`;
    const body = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      propagationPolicy: "Background",
      ...(uid !== undefined && { preconditions: { uid } }),
    };
    try {
      await persistently(() => api.send({ method: "DELETE", path, body, signal: closing.signal }), {
        outage: DELETE_MS,
        signal: closing.signal,
      });
    } catch (error) {
      if (closing.signal.aborted || hasStatus(error, 404) || hasStatus(error, 409)) return;
      // Its own deadline ends it.
      console.error(`[orchestrator] [kubernetes] Job ${name} was not deleted: ${reasonOf(error)}`);
    }
  }

  return {
    name: "kubernetes",
    async start() {
      await (await start()).check();
    },
    async execute(request) {
      request.signal?.throwIfAborted();
      const target = (await start()).target(request.server.region);
      request.signal?.throwIfAborted();
      const name = `${target.namespace}/${jobName(request)}`;
      const leaving = farewells.get(name);
      // What is about to go would be found there, and joined.
      if (leaving) await firstOf(request.signal, () => leaving);
      waiting.set(name, (waiting.get(name) ?? 0) + 1);
      const end = await runAttempt(
        { ...request, wait: request.wait ?? WAIT_MS },
        target,
        closing.signal,
      );
      const others = waiting.get(name)! - 1;
      if (others > 0) waiting.set(name, others);
      else waiting.delete(name);
      if (others === 0 && mayDelete(end)) {
        const farewell = remove(target, jobName(request), end.job?.uid);
        farewells.set(name, farewell);
        void farewell.finally(() => farewells.delete(name));
      }
      if (end.reply) return end.reply;
      throw end.error;
    },
    async close() {
      const cluster = await starting?.catch(() => undefined);
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_MS)));
      await Promise.race([Promise.all(farewells.values()), late]);
      clearTimeout(timer);
      closing.abort(closed());
      cluster?.close();
    },
  };
}

function closed(): OrchestratorError {
  return new OrchestratorError("SERVER_UNREACHABLE", "The executor of Kubernetes was closed", {
    retryable: true,
  });
}
