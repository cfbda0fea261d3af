import type { JsonObject } from "./runner.ts";

/** Where the Jobs of one region go, as far as it is not where all go. */
export interface KubernetesRegionConfig {
  /** Context of the kubeconfig. */
  context?: string;
  namespace?: string;
  /**
   * Labels of the nodes that its pods may run on.
   * @default {"topology.kubernetes.io/region": "<region>"}, or none where the region has a context of its own
   */
  nodeSelector?: Record<string, string>;
  /** Another image for the container that executes orders. */
  image?: string;
}

/** Jobs of Kubernetes, each of which executes one attempt. */
export interface KubernetesConfig {
  /** By default that of the context, or of the pod that the orchestrator runs in. */
  namespace?: string;
  /** An image whose entry point is the `orchestrator` command; instead of a template. */
  image?: string;
  /** A Job, PodTemplate or Pod, written out or as the path of a YAML or JSON file. */
  template?: JsonObject | string;
  /**
   * The container of the template that executes the order.
   * @default the first
   */
  container?: string;
  /** Labels that every Job and its pod have beside ours. */
  labels?: Record<string, string>;
  /**
   * Milliseconds that a Job is kept once it has ended. Within them an orchestrator that comes back finds its
   * answer.
   * @default 3600000
   */
  ttl?: number;
  /** By region. With them, a job of another region is refused. */
  regions?: Record<string, KubernetesRegionConfig>;
  /**
   * A kubeconfig's path.
   * @default the pod's service account, else `KUBECONFIG`, else `~/.kube/config`
   */
  kubeconfig?: string;
  /**
   * Context of the kubeconfig.
   * @default its current one
   */
  context?: string;
  /** URL of an API server, instead of a kubeconfig. */
  server?: string;
  /** Certificates in PEM that the server's is checked against. */
  ca?: string;
  /** Bearer token for the server. */
  token?: string;
  /**
   * Milliseconds that the API server may be away before attempts are given up.
   * @default 60000
   */
  outage?: number;
}

/** The same, checked, with defaults. */
export interface KubernetesOptions extends KubernetesConfig {
  ttl: number;
  outage: number;
}
