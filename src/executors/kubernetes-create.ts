import { randomBytes } from "node:crypto";
import { backoff } from "../core/backoff.ts";
import { OrchestratorError } from "../core/errors.ts";
import { sleep } from "../core/sleep.ts";
import type { ExecuteRequest } from "../types/executor.ts";
import { type ApiError, hasStatus, isOverQuota, refused } from "./kubernetes-errors.ts";
import { annotations, jobName, jobOf, type JobManifest, orderDigest } from "./kubernetes-job.ts";
import type { Condition, Job } from "./kubernetes-objects.ts";
import { persistently } from "./kubernetes-retry.ts";
import type { KubernetesTarget } from "./kubernetes-target.ts";
import { orderOf } from "./work-order.ts";

/** An attempt's Job as it is there. */
export interface MadeJob {
  name: string;
  uid: string;
  /** What its messages carry. */
  nonce: string;
  /** Whether it was there before. */
  joined: boolean;
  /** Whether it had ended by then. */
  finished: boolean;
}

/**
 * Makes an attempt's Job, or finds the one that was made for it already.
 *
 * @throws OrchestratorError
 */
export async function createJob(
  request: ExecuteRequest & { wait: number },
  target: KubernetesTarget,
  signal: AbortSignal,
): Promise<MadeJob> {
  const { namespace, options } = target;
  const order = orderOf(request);
  const nonce = randomBytes(16).toString("hex");
  const manifest = jobOf(request, order, {
    template: target.template,
    namespace,
    labels: options.labels ?? {},
    nodeSelector: target.nodeSelector,
    image: target.image,
    ttl: options.ttl,
    nonce,
  });
  const made = await createWithinQuota(request.wait, signal, () =>
    createOrFind(jobName(request), manifest, target, signal),
  );
  const { annotations: noted = {} } = made.job.metadata;
  const same =
    noted[annotations.key] === request.idempotencyKey &&
    noted[annotations.order] === orderDigest(order);
  if (!same) {
    throw new OrchestratorError(
      "SERVER_REJECTED",
      `The Job ${made.job.metadata.name} in namespace ${namespace} is for another order of ${request.idempotencyKey}: orchestrators that share a namespace need run ids of their own`,
    );
  }
  const found = noted[annotations.nonce]!;
  const job: MadeJob = {
    name: made.job.metadata.name,
    uid: made.job.metadata.uid!,
    nonce: found,
    joined: made.joined,
    finished: Boolean(made.job.status?.conditions?.some(isEnd)),
  };
  if (manifest.secret) await createSecret(manifest.secret, job, order, target, signal);
  return job;
}

function isEnd({ type, status }: Condition): boolean {
  return (type === "Complete" || type === "Failed") && status === "True";
}

/** A quota is waited for like a worker: something else has to end first. */
async function createWithinQuota<T>(
  wait: number,
  signal: AbortSignal,
  create: () => Promise<T>,
): Promise<T> {
  const began = Date.now();
  for (let failures = 1; ; failures++) {
    try {
      return await create();
    } catch (error) {
      if (!isOverQuota(error)) throw error;
      const left = began + wait - Date.now();
      if (left <= 0) throw overQuota(error, wait);
      await sleep(Math.min(left, 100 + backoff(failures, { base: 1000, max: 5000 })), signal);
      signal.throwIfAborted();
    }
  }
}

async function createOrFind(
  name: string,
  { job }: JobManifest,
  { api, namespace, options: { outage } }: KubernetesTarget,
  signal: AbortSignal,
): Promise<{ job: Job; joined: boolean }> {
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  // One that is found may be gone the next moment, when its time is up.
  for (let tries = 1; ; tries++) {
    try {
      const body = await persistently(() => api.send({ method: "POST", path, body: job, signal }), {
        outage,
        signal,
      });
      return { job: body as Job, joined: false };
    } catch (error) {
      if (isOverQuota(error)) throw error;
      if (!hasStatus(error, 409) || tries === 3) throw refusal(error, "create");
    }
    try {
      const found = await persistently(() => api.send({ path: `${path}/${name}`, signal }), {
        outage,
        signal,
      });
      return { job: found as Job, joined: true };
    } catch (error) {
      if (!hasStatus(error, 404)) throw refusal(error, "get");
    }
  }
  function refusal(error: unknown, verb: "create" | "get"): unknown {
    return toRefusal(error, { verb, resource: "jobs", namespace });
  }
}

/** The Secret goes with its Job. The pod waits for it, also where whoever made the Job died before this. */
async function createSecret(
  secret: NonNullable<JobManifest["secret"]>,
  { name, uid, nonce }: MadeJob,
  order: unknown,
  { api, namespace, options: { outage } }: KubernetesTarget,
  signal: AbortSignal,
): Promise<void> {
  const owner = { apiVersion: "batch/v1", kind: "Job", name, uid };
  const body = {
    ...secret,
    metadata: { ...secret.metadata, ownerReferences: [owner] },
    // With the nonce that the Job has, whoever made it.
    stringData: { order: JSON.stringify({ nonce, order }) },
  };
  try {
    await persistently(
      () =>
        api.send({ method: "POST", path: `/api/v1/namespaces/${namespace}/secrets`, body, signal }),
      { outage, signal },
    );
  } catch (error) {
    if (hasStatus(error, 409)) return;
    throw toRefusal(error, { verb: "create", resource: "secrets", namespace });
  }
}

/** What the API server refused as the error of an attempt; anything else as it is. */
export function toRefusal(error: unknown, access: Parameters<typeof refused>[1]): unknown {
  const { name } = error as { name?: unknown };
  return name === "ApiError" ? refused(error as ApiError, access) : error;
}

function overQuota(error: ApiError, wait: number): OrchestratorError {
  return new OrchestratorError(
    "NO_SERVER_AVAILABLE",
    `A quota of Kubernetes had no room within ${wait} ms: ${error.message}`,
    { retryable: true, cause: error },
  );
}
