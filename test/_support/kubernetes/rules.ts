import type { Resource, Stored } from "./store.ts";

/** A rule of a Role. */
export interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

/** What a request asks for. */
export interface Asked {
  verb: string;
  group: string;
  resource: string;
}

/** Whether a Role allows what is asked. */
export function allows(rules: readonly Rule[], { verb, group, resource }: Asked): boolean {
  return rules.some(
    ({ apiGroups, resources, verbs }) =>
      apiGroups.includes(group) && resources.includes(resource) && verbs.includes(verb),
  );
}

/** Why the API server would refuse an object, by the rules it has for each; undefined where it would not. */
export function problemOf(resource: Resource, object: any): string | undefined {
  const { metadata = {}, spec = {} } = object;
  const named = nameProblem(metadata.name) ?? labelProblem(metadata);
  if (named) return named;
  if (resource === "secrets") {
    const size = Object.values(object.data as Record<string, string>).reduce(
      (sum, data) => sum + Buffer.from(data, "base64").byteLength,
      0,
    );
    return size > 1024 * 1024 ? "data: Too long: may not be more than 1048576 bytes" : undefined;
  }
  if (resource !== "jobs") return undefined;
  // The name becomes the value of a label of its pods.
  if (metadata.name.length > 63) return "metadata.name: Too long: may not be more than 63 bytes";
  const template = spec.template ?? {};
  const pod = template.spec ?? {};
  if (!["Never", "OnFailure"].includes(pod.restartPolicy)) {
    return `spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"`;
  }
  if (!Array.isArray(pod.containers) || pod.containers.length === 0) {
    return "spec.template.spec.containers: Required value";
  }
  const selector = labelProblem({ labels: pod.nodeSelector });
  if (selector) return `spec.template.spec.nodeSelector: ${selector}`;
  for (const container of pod.containers) {
    if (!container.image) return "spec.template.spec.containers[0].image: Required value";
    for (const { name, value } of container.env ?? []) {
      if (!/^[A-Za-z_][\w.-]*$/.test(name)) return `env: Invalid value: ${name}`;
      if (value !== undefined && typeof value !== "string") return `env.${name}: must be a string`;
    }
    for (const { name, mountPath } of container.volumeMounts ?? []) {
      if (!mountPath || !pod.volumes?.some((volume: any) => volume.name === name)) {
        return `spec.template.spec.containers[0].volumeMounts: Not found: "${name}"`;
      }
    }
  }
  for (const field of ["backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"]) {
    const value = spec[field];
    if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value < 2 ** 31)) {
      return `spec.${field}: Invalid value: ${value}`;
    }
  }
  return labelProblem(template.metadata ?? {});
}

/** Whether an object has what a selector such as `a=b,c=d` names. */
export function selects(selector: string | null, { metadata }: Stored): boolean {
  if (!selector) return true;
  return selector.split(",").every((part) => {
    const [label, value] = part.split("=");
    return metadata.labels?.[label!] === value;
  });
}

/** The same for the fields that may be selected by here. */
export function selectsField(selector: string | null, object: Stored): boolean {
  if (!selector) return true;
  return selector.split(",").every((part) => {
    const [path, value] = part.split("=");
    return path!.split(".").reduce<any>((at, key) => at?.[key], object) === value;
  });
}

function nameProblem(name: unknown): string | undefined {
  const valid = typeof name === "string" && /^[a-z\d]([-a-z\d]*[a-z\d])?$/.test(name);
  return valid ? undefined : `metadata.name: Invalid value: ${JSON.stringify(name)}`;
}

function labelProblem({ labels = {}, annotations = {} }: any): string | undefined {
  const key = /^([a-z\d]([-.a-z\d]*[a-z\d])?\/)?[A-Za-z\d]([-\w.]{0,61}[A-Za-z\d])?$/;
  for (const [name, value] of Object.entries(labels)) {
    const valid =
      typeof value === "string" && /^([A-Za-z\d]([-\w.]{0,61}[A-Za-z\d])?)?$/.test(value);
    if (!key.test(name) || !valid)
      return `metadata.labels: Invalid value: ${name}=${value as string}`;
  }
  for (const [name, value] of Object.entries(annotations)) {
    if (!key.test(name) || typeof value !== "string")
      return `metadata.annotations: Invalid: ${name}`;
  }
  return undefined;
}
