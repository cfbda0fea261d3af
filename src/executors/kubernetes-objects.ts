/** What every object of Kubernetes has, as far as it is looked at here. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
    deletionGracePeriodSeconds?: number;
    ownerReferences?: { uid: string; kind: string; name: string }[];
  };
}

/** One thing that is said of a Job or a pod. */
export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

/** A Job of `batch/v1`. */
export interface Job extends KubernetesObject {
  spec: Record<string, unknown>;
  status?: { conditions?: Condition[] };
}

/** How a container is, and how it ended. */
export interface ContainerStatus {
  name: string;
  state?: {
    waiting?: { reason?: string; message?: string };
    running?: { startedAt?: string };
    terminated?: { exitCode: number; signal?: number; reason?: string; message?: string };
  };
}

/** A pod. */
export interface Pod extends KubernetesObject {
  spec: Record<string, unknown>;
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: Condition[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

/** A page of objects. */
export interface ObjectList<T extends KubernetesObject> {
  metadata: { resourceVersion?: string; continue?: string };
  items: T[];
}
