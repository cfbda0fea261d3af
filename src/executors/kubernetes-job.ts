import { createHash } from "node:crypto";
import { canonicalJson } from "../core/body.ts";
import { OrchestratorError } from "../core/errors.ts";
import { isPlainObject } from "../core/runner-result.ts";
import type { ExecuteRequest } from "../types/executor.ts";
import type { JsonObject } from "../types/runner.ts";
import type { WorkOrder } from "../types/work.ts";
import type { Job, KubernetesObject } from "./kubernetes-objects.ts";
import type { JobTemplate } from "./kubernetes-template.ts";

/** Who made it, and what our watches look for. */
export const managedBy: { label: string; value: string } = {
  label: "app.kubernetes.io/managed-by",
  value: "runners-orchestrator",
};

/** Annotations and labels of ours. */
const prefix = "runners-orchestrator";

/** What says, in an annotation of a Job, which order it is for, and how to tell its messages. */
export const annotations: { key: string; attempt: string; order: string; nonce: string } = {
  key: `${prefix}/idempotency-key`,
  attempt: `${prefix}/attempt`,
  order: `${prefix}/order`,
  nonce: `${prefix}/nonce`,
};

/** Bytes of an order that a variable of the environment takes; a Linux process takes 128 KiB. */
const INLINE_BYTES = 32 * 1024;

/** Bytes of an order at most: a Secret takes 1 MiB. */
export const orderLimit: number = 1000 * 1024;

/** Where the Secret of a large order is mounted. */
const MOUNT = "/var/run/runners-orchestrator";

/** Seconds beyond wait and timeout after which Kubernetes ends a Job that nobody ended. */
const SPARE_S = 60;

/** What a Job is made with. */
export interface JobOptions {
  template: JobTemplate;
  namespace: string;
  labels: Record<string, string>;
  nodeSelector: Record<string, string> | undefined;
  image: string | undefined;
  ttl: number;
  nonce: string;
}

/** A Job, and the Secret that it needs beside it. */
export interface JobManifest {
  job: Job;
  /** Of an order that is too large for the environment; without its owner, which has yet to be made. */
  secret?: KubernetesObject & { stringData: Record<string, string> };
}

/** The name of an attempt's Job: the same however often the attempt is handed in. */
export function jobName({ idempotencyKey, attempt }: ExecuteRequest): string {
  return `orchestrator-${digest(`${attempt}/${idempotencyKey}`)}`;
}

/** What tells an order from another of the same key. */
export function orderDigest({ request }: WorkOrder): string {
  return digest(canonicalJson(request));
}

/**
 * The Job of one attempt. What the template says stays, but for what makes it run once and end.
 *
 * @throws OrchestratorError `SERVER_REJECTED` for an order that is too large
 */
export function jobOf(request: ExecuteRequest, order: WorkOrder, options: JobOptions): JobManifest {
  const { template, namespace, nonce, ttl } = options;
  const name = jobName(request);
  const text = JSON.stringify({ nonce, order });
  const bytes = Buffer.byteLength(text);
  if (bytes > orderLimit) {
    throw new OrchestratorError(
      "SERVER_REJECTED",
      `The order of ${request.idempotencyKey} has ${bytes} bytes, more than the ${orderLimit} that a Secret of Kubernetes takes`,
    );
  }
  const labels = { ...labelsOf(request), ...options.labels, [managedBy.label]: managedBy.value };
  const noted = {
    [annotations.key]: request.idempotencyKey,
    [annotations.attempt]: String(request.attempt),
    [annotations.order]: orderDigest(order),
    [annotations.nonce]: nonce,
  };
  // A `$` would be one of a variable of Kubernetes.
  const escaped = text.replaceAll("$", "\\u0024");
  const inline = Buffer.byteLength(escaped) <= INLINE_BYTES;
  const limit = (request.wait ?? 0) + request.timeout;
  const job: Job = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name,
      namespace,
      labels: { ...template.labels, ...labels },
      annotations: { ...template.annotations, ...noted },
    },
    spec: {
      ...template.spec,
      parallelism: 1,
      completions: 1,
      backoffLimit: 0,
      activeDeadlineSeconds: Math.ceil(limit / 1000) + SPARE_S,
      ttlSecondsAfterFinished: Math.ceil(ttl / 1000),
      template: {
        metadata: {
          labels: { ...template.pod.labels, ...labels },
          annotations: template.pod.annotations,
        },
        spec: podSpecOf(options, inline ? { text: escaped } : { secret: name }),
      },
    },
  };
  if (inline) return { job };
  const metadata = { name, namespace, labels };
  return {
    job,
    secret: { apiVersion: "v1", kind: "Secret", metadata, stringData: { order: text } },
  };
}

function podSpecOf(
  { template, nodeSelector, image }: JobOptions,
  order: { text: string } | { secret: string },
): JsonObject {
  const { spec } = template.pod;
  const containers = (spec.containers as JsonObject[]).map((container) => {
    if (container.name !== template.container) return container;
    const variable =
      "text" in order
        ? { name: "ORCHESTRATOR_ORDER", value: order.text }
        : { name: "ORCHESTRATOR_ORDER_FILE", value: `${MOUNT}/order` };
    return {
      ...container,
      ...(image !== undefined && { image }),
      env: [...listOf(container.env), variable],
      ...("secret" in order && {
        volumeMounts: [
          ...listOf(container.volumeMounts),
          { name: "order", mountPath: MOUNT, readOnly: true },
        ],
      }),
    };
  });
  return {
    ...spec,
    containers,
    restartPolicy: "Never",
    ...(nodeSelector && {
      nodeSelector: {
        ...(isPlainObject(spec.nodeSelector) ? spec.nodeSelector : {}),
        ...nodeSelector,
      },
    }),
    ...("secret" in order && {
      volumes: [...listOf(spec.volumes), { name: "order", secret: { secretName: order.secret } }],
    }),
  };
}

/** Ids as labels, to select by; in full they are in the annotations. */
function labelsOf({
  runId,
  idempotencyKey,
  attempt,
  server,
}: ExecuteRequest): Record<string, string> {
  const jobId =
    runId !== undefined && idempotencyKey.startsWith(`${runId}/`)
      ? idempotencyKey.slice(runId.length + 1)
      : idempotencyKey;
  return {
    ...(runId !== undefined && { [`${prefix}/run`]: labelValue(runId) }),
    [`${prefix}/job`]: labelValue(jobId),
    [`${prefix}/attempt`]: labelValue(String(attempt)),
    ...(server.region !== "" && { [`${prefix}/region`]: labelValue(server.region) }),
  };
}

/** A text by the rules of labels; one that they do not allow ends in what tells it from others. */
export function labelValue(text: string): string {
  if (/^[\dA-Za-z]([-.\w]{0,61}[\dA-Za-z])?$/.test(text)) return text;
  const readable = text
    .replaceAll(/[^-.\w]+/g, "-")
    .replace(/^[^\dA-Za-z]+/, "")
    .slice(0, 50);
  return `${readable}${readable && "-"}${digest(text).slice(0, 12)}`;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 40);
}
