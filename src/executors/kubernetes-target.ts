import type { KubernetesOptions } from "../types/kubernetes.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";
import { managedBy } from "./kubernetes-job.ts";
import type { Job, Pod } from "./kubernetes-objects.ts";
import type { JobTemplate } from "./kubernetes-template.ts";
import { createSharedWatch, type SharedWatch } from "./kubernetes-watch.ts";

/** Where the Jobs of a region go, and how. */
export interface KubernetesTarget {
  api: KubernetesApi;
  namespace: string;
  template: JobTemplate;
  nodeSelector: Record<string, string> | undefined;
  image: string | undefined;
  options: KubernetesOptions;
  watches: Watches;
}

/** What is looked at in one namespace of one cluster. */
export interface Watches {
  jobs: SharedWatch<Job>;
  /** By the name of their Job. */
  pods: SharedWatch<Pod>;
  close(): void;
}

/** The label by which a Job's pods are found, since Kubernetes 1.27, and the one before it. */
export const jobNameLabels = ["batch.kubernetes.io/job-name", "job-name"] as const;

/** The two watches of a namespace, which all attempts there share. */
export function createWatches(api: KubernetesApi, namespace: string): Watches {
  const labelSelector = `${managedBy.label}=${managedBy.value}`;
  const jobs = createSharedWatch<Job>({
    api,
    path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
    labelSelector,
    keyOf: ({ metadata }) => metadata.name,
  });
  const pods = createSharedWatch<Pod>({
    api,
    path: `/api/v1/namespaces/${namespace}/pods`,
    labelSelector,
    keyOf: ({ metadata: { labels = {} } }) =>
      jobNameLabels.map((label) => labels[label]).find((name) => name !== undefined),
  });
  return {
    jobs,
    pods,
    close() {
      jobs.close();
      pods.close();
    },
  };
}
