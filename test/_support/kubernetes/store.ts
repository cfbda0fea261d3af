import { randomUUID } from "node:crypto";

/** An object as the API server keeps it. */
export interface Stored {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    creationTimestamp: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { uid: string; kind: string; name: string; controller?: boolean }[];
    deletionTimestamp?: string;
    deletionGracePeriodSeconds?: number;
  };
  [field: string]: any;
}

/** The kinds that there are here, by the name that paths have. */
export type Resource = "events" | "jobs" | "pods" | "secrets";

/** One change of one object. */
export interface Change {
  version: number;
  type: "ADDED" | "DELETED" | "MODIFIED";
  resource: Resource;
  object: Stored;
}

/** What an API server keeps: objects, and their changes since the last compaction. */
export interface Store {
  readonly version: number;
  /** Changes before it are forgotten. */
  readonly oldest: number;
  get(resource: Resource, namespace: string, name: string): Stored | undefined;
  list(resource: Resource, namespace?: string): Stored[];
  create(resource: Resource, object: any): Stored;
  /** Changes an object, if it is still there. */
  update(resource: Resource, object: Stored, change: (object: Stored) => void): Stored | undefined;
  remove(resource: Resource, object: Stored): void;
  changes(after: number): Change[];
  onChange(listener: (change: Change) => void): () => void;
  /** Forgets the changes so far, as etcd does after a while. */
  compact(): void;
}

/** Nothing in it. */
export function createStore(): Store {
  // Not from 1: real versions are large, and so are those that a client could make up by itself not.
  let version = 4000;
  let oldest = version;
  let log: Change[] = [];
  const objects = new Map<string, Stored>();
  const listeners = new Set<(change: Change) => void>();
  const keyOf = (resource: Resource, namespace: string, name: string): string =>
    `${resource}/${namespace}/${name}`;
  const keyOfObject = (resource: Resource, { metadata }: Stored): string =>
    keyOf(resource, metadata.namespace, metadata.name);

  function note(type: Change["type"], resource: Resource, object: Stored): Stored {
    version++;
    const kept = structuredClone(object);
    kept.metadata.resourceVersion = String(version);
    const key = keyOfObject(resource, kept);
    if (type === "DELETED") objects.delete(key);
    else objects.set(key, kept);
    const change = { version, type, resource, object: kept };
    log.push(change);
    for (const listener of listeners) listener(change);
    return kept;
  }

  return {
    get version() {
      return version;
    },
    get oldest() {
      return oldest;
    },
    get: (resource, namespace, name) => objects.get(keyOf(resource, namespace, name)),
    list: (resource, namespace) =>
      [...objects]
        .filter(([key]) =>
          key.startsWith(`${resource}/${namespace === undefined ? "" : `${namespace}/`}`),
        )
        .map(([, object]) => object),
    create(resource, object) {
      const metadata = {
        ...object.metadata,
        uid: randomUUID(),
        creationTimestamp: new Date().toISOString(),
      };
      return note("ADDED", resource, { ...object, metadata });
    },
    update(resource, { metadata }, change) {
      const now = objects.get(keyOf(resource, metadata.namespace, metadata.name));
      if (now?.metadata.uid !== metadata.uid) return undefined;
      const next = structuredClone(now);
      change(next);
      return note("MODIFIED", resource, next);
    },
    remove(resource, object) {
      const now = objects.get(keyOfObject(resource, object));
      if (now?.metadata.uid === object.metadata.uid) note("DELETED", resource, now);
    },
    changes: (after) => log.filter((change) => change.version > after),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    compact() {
      oldest = version;
      log = [];
    },
  };
}
