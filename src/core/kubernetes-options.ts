import type {
  KubernetesConfig,
  KubernetesOptions,
  KubernetesRegionConfig,
} from "../types/kubernetes.ts";
import { OrchestratorError } from "./errors.ts";
import { isPlainObject } from "./runner-result.ts";
import { asObject, assertKnownKeys, invalid, positives } from "./settings.ts";

const texts = [
  "namespace",
  "image",
  "container",
  "kubeconfig",
  "context",
  "server",
  "ca",
  "token",
] as const;

const known = [...texts, "template", "labels", "ttl", "regions", "outage"];
const knownOfRegion = ["context", "namespace", "nodeSelector", "image"];

/**
 * Options of the Kubernetes executor, checked, with defaults.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with the option's path
 */
export function parseKubernetesOptions(value: unknown, path: string): KubernetesOptions {
  const given = asObject(value, path) as KubernetesConfig;
  assertKnownKeys(given, known, path);
  for (const name of texts) {
    // Of a secret, what was got is not said.
    checkText(given[name], `${path}.${name}`, name === "token" ? "…" : given[name]);
  }
  const { template, image, namespace, labels, regions, server } = given;
  if (namespace !== undefined) checkNamespace(namespace, `${path}.namespace`);
  if (template === undefined && image === undefined) {
    // Without what was got, in which there may be a token.
    throw new OrchestratorError("CONFIG_INVALID", `${path} must have an image or a template`);
  }
  if (template !== undefined && image !== undefined) {
    throw invalid(`${path}.image`, "cannot stand beside a template", image);
  }
  if (template !== undefined && !isPlainObject(template)) {
    const rule = "must be a Job, a PodTemplate or a Pod, or the path of a file with one";
    if (typeof template !== "string" || template.trim() === "") {
      throw invalid(`${path}.template`, rule, template);
    }
  }
  if (labels !== undefined) checkLabels(labels, `${path}.labels`);
  checkServer(given, path);
  const { ttl, outage } = given;
  return {
    ...given,
    ...positives({ ttl, outage }, { ttl: 3_600_000, outage: 60_000 }, path),
    ...(regions !== undefined && { regions: regionsOf(regions, server, `${path}.regions`) }),
  };
}

function regionsOf(
  value: unknown,
  server: string | undefined,
  path: string,
): Record<string, KubernetesRegionConfig> {
  const regions = asObject(value, path) as Record<string, KubernetesRegionConfig>;
  for (const [region, settings] of Object.entries(regions)) {
    const at = `${path}.${region}`;
    const given = asObject(settings, at) as KubernetesRegionConfig;
    assertKnownKeys(given, knownOfRegion, at);
    for (const name of ["context", "namespace", "image"] as const) {
      checkText(given[name], `${at}.${name}`);
    }
    if (given.namespace !== undefined) checkNamespace(given.namespace, `${at}.namespace`);
    if (given.nodeSelector !== undefined) checkLabels(given.nodeSelector, `${at}.nodeSelector`);
    if (given.context !== undefined && server !== undefined) {
      throw invalid(`${at}.context`, "cannot stand beside a server", given.context);
    }
  }
  return regions;
}

function checkServer(
  { server, kubeconfig, context, ca, token }: KubernetesConfig,
  path: string,
): void {
  if (server === undefined) {
    for (const [name, value] of Object.entries({ ca, token })) {
      // What was got is a secret.
      if (value !== undefined) throw invalid(`${path}.${name}`, "needs a server beside it", "…");
    }
    return;
  }
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    // Not what it is: a password may stand in it.
    const message = `${path}.server must be a URL such as https://10.0.0.1:6443`;
    throw new OrchestratorError("CONFIG_INVALID", message);
  }
  for (const [name, value] of Object.entries({ kubeconfig, context })) {
    if (value !== undefined)
      throw invalid(`${path}.${name}`, "cannot stand beside a server", value);
  }
}

function checkText(value: unknown, path: string, shown = value): void {
  if (value === undefined || (typeof value === "string" && value.trim() !== "")) return;
  throw invalid(path, "must be a text that is not empty", shown);
}

function checkNamespace(value: string, path: string): void {
  if (/^[\da-z]([-\da-z]{0,61}[\da-z])?$/.test(value)) return;
  throw invalid(path, "must be a namespace of small letters, digits and -, at most 63", value);
}

function checkLabels(value: unknown, path: string): void {
  for (const [name, text] of Object.entries(asObject(value, path))) {
    const slash = name.lastIndexOf("/");
    const prefix = slash === -1 ? "a" : name.slice(0, slash);
    if (!isLabel(name.slice(slash + 1), 1) || !/^[\da-z]([-.\da-z]{0,251}[\da-z])?$/.test(prefix)) {
      throw invalid(path, "must have names such as team or example.com/team", name);
    }
    if (typeof text !== "string" || !isLabel(text, 0)) {
      const rule = "must be at most 63 letters, digits, -, _ and ., the first and last no sign";
      throw invalid(`${path}.${name}`, rule, text);
    }
  }
}

function isLabel(text: string, least: 0 | 1): boolean {
  if (text === "") return least === 0;
  return /^[\dA-Za-z]([-.\w]{0,61}[\dA-Za-z])?$/.test(text);
}
