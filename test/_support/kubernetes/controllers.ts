import type { Kubelet } from "./kubelet.ts";
import type { Change, Resource, Store, Stored } from "./store.ts";

/** What the control plane does of itself, and on demand. */
export interface Controllers {
  /** Deletes an object as a request does. */
  remove(
    resource: Resource,
    object: Stored,
    propagation: "Background" | "Foreground" | "Orphan",
  ): void;
  /** Takes a pod off its node, and says why. */
  evict(pod: Stored, message: string): void;
  /** The pod's node is not heard of any more. */
  loseNode(pod: Stored): void;
  close(): void;
}

/** A node that pods may be put on. */
export interface Node {
  name: string;
  labels: Record<string, string>;
}

/** What may be switched while it runs. */
export interface ControlPlane {
  nodes: Node[];
  /** Why no pod can be made, such as a service account that is not there; undefined where they can. */
  noPods?: string;
}

const letters = "bcdfghjklmnpqrstvwxz2456789";

/** Starts the controllers of Jobs, of their time to live and of owners, and the scheduler. */
export function startControllers(store: Store, kubelet: Kubelet, plane: ControlPlane): Controllers {
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const scheduled = new Set<string>();

  function later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  }

  function createPod(job: Stored): void {
    const { name, namespace, uid } = job.metadata;
    if (plane.noPods !== undefined) {
      const involvedObject = { kind: "Job", name, namespace, uid };
      const metadata = { name: `${name}.${store.version}`, namespace };
      const message = `Error creating: ${plane.noPods}`;
      store.create("events", {
        apiVersion: "v1",
        kind: "Event",
        metadata,
        involvedObject,
        type: "Warning",
        reason: "FailedCreate",
        message,
      });
      return;
    }
    const suffix = Array.from({ length: 5 }, () => letters[Math.floor(Math.random() * 27)]).join(
      "",
    );
    const { metadata = {}, spec } = job.spec.template;
    store.create("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        ...metadata,
        name: `${name}-${suffix}`,
        namespace,
        ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid, controller: true }],
      },
      spec,
      status: { phase: "Pending", conditions: [] },
    });
  }

  function schedule(pod: Stored): void {
    const selector = Object.entries((pod.spec.nodeSelector ?? {}) as Record<string, string>);
    const node = plane.nodes.find(({ labels }) =>
      selector.every(([label, value]) => labels[label] === value),
    );
    if (node) {
      scheduled.add(pod.metadata.uid);
      store.update("pods", pod, (next) => {
        next.spec.nodeName = node.name;
        next.status.conditions = [{ type: "PodScheduled", status: "True" }];
      });
    } else if (!pod.status.conditions.some(({ type }: any) => type === "PodScheduled")) {
      const { length } = plane.nodes;
      const message = `0/${length} nodes are available: ${length} node(s) didn't match Pod's node affinity/selector.`;
      store.update("pods", pod, (next) => {
        next.status.conditions = [
          { type: "PodScheduled", status: "False", reason: "Unschedulable", message },
        ];
      });
    }
  }

  function finish(job: Stored, condition: object): void {
    const now = store.update("jobs", job, (next) => {
      next.status = { conditions: [{ status: "True", ...condition }] };
    });
    const { ttlSecondsAfterFinished: ttl } = job.spec;
    if (now && ttl !== undefined) later(ttl * 1000, () => remove("jobs", now, "Background"));
  }

  function jobOf(pod: Stored): Stored | undefined {
    const owner = pod.metadata.ownerReferences?.find(({ kind }) => kind === "Job");
    const job = owner && store.get("jobs", pod.metadata.namespace, owner.name);
    return job?.metadata.uid === owner?.uid ? job : undefined;
  }

  function podsOf({ metadata }: Stored): Stored[] {
    return store
      .list("pods", metadata.namespace)
      .filter(({ metadata: { ownerReferences = [] } }) =>
        ownerReferences.some(({ uid }) => uid === metadata.uid),
      );
  }

  function onJob({ type, object }: Change): void {
    if (type === "DELETED") return;
    if (type !== "ADDED") return;
    createPod(object);
    const { activeDeadlineSeconds: limit } = object.spec;
    if (limit === undefined) return;
    later(limit * 1000, () => {
      const now = store.get("jobs", object.metadata.namespace, object.metadata.name);
      if (now?.metadata.uid !== object.metadata.uid || now.status?.conditions) return;
      const message = "Job was active longer than specified deadline";
      finish(now, { type: "Failed", reason: "DeadlineExceeded", message });
      for (const pod of podsOf(now)) remove("pods", pod, "Background");
    });
  }

  function onPod({ type, object }: Change): void {
    const job = jobOf(object);
    const open = job && !job.status?.conditions ? job : undefined;
    if (type === "DELETED") {
      if (open) finish(open, failed);
      return;
    }
    if (!scheduled.has(object.metadata.uid) && !object.metadata.deletionTimestamp) schedule(object);
    const { phase } = object.status;
    if (open && phase === "Succeeded") finish(open, { type: "Complete" });
    if (open && phase === "Failed") finish(open, failed);
  }

  function remove(resource: Resource, object: Stored, propagation: string): void {
    if (resource === "pods") return removePod(object);
    store.remove(resource, object);
    if (propagation === "Orphan") return;
    for (const pod of podsOf(object)) removePod(pod);
    for (const secret of store.list("secrets", object.metadata.namespace)) {
      const owners = secret.metadata.ownerReferences ?? [];
      if (owners.some(({ uid }) => uid === object.metadata.uid)) store.remove("secrets", secret);
    }
  }

  function removePod(pod: Stored, conditions?: object[]): void {
    const grace = pod.spec.terminationGracePeriodSeconds ?? 30;
    const marked = store.update("pods", pod, (next) => {
      next.metadata.deletionTimestamp ??= new Date().toISOString();
      next.metadata.deletionGracePeriodSeconds = grace;
      if (conditions) next.status.conditions = conditions;
    });
    if (marked) kubelet.end(marked);
  }

  // A controller is told of a change a little later, as the real ones are.
  const off = store.onChange((change) => {
    if (change.resource === "jobs") later(0, () => onJob(change));
    if (change.resource === "pods") later(0, () => onPod(change));
  });

  return {
    remove,
    evict(pod, message) {
      store.update("pods", pod, (next) => {
        next.status.phase = "Failed";
        next.status.reason = "Evicted";
        next.status.message = message;
        next.status.conditions = [
          { type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet", message },
        ];
      });
      kubelet.forget(pod);
    },
    loseNode(pod) {
      kubelet.cutOff(pod);
      const message = "Taint manager: deleting due to NoExecute taint";
      removePod(pod, [
        { type: "DisruptionTarget", status: "True", reason: "DeletionByTaintManager", message },
      ]);
    },
    close() {
      off();
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

const failed = {
  type: "Failed",
  reason: "BackoffLimitExceeded",
  message: "Job has reached the specified backoff limit",
};
