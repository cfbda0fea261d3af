import { readFile } from "node:fs/promises";
import { OrchestratorError, reasonOf } from "../core/errors.ts";
import { isPlainObject } from "../core/runner-result.ts";
import type { KubernetesOptions } from "../types/kubernetes.ts";
import type { JsonObject } from "../types/runner.ts";

/** What every Job is made from. */
export interface JobTemplate {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Of the Job, without its pod's. */
  spec: JsonObject;
  pod: { labels: Record<string, string>; annotations: Record<string, string>; spec: JsonObject };
  /** Name of the container that executes the order. */
  container: string;
}

/** Name of the container where there is an image and no template. */
const CONTAINER = "runner";

/** What the `orchestrator` command is called with to execute the one order it was given. */
const ARGS = ["worker", "--order"];

/**
 * The template that options describe, read from its file where it is in one.
 *
 * @param path of the options, which errors begin with
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export async function loadTemplate(
  { template, image, container }: KubernetesOptions,
  path: string,
  parseYaml: (text: string) => unknown,
): Promise<JobTemplate> {
  if (template === undefined) {
    const containers = [{ name: container ?? CONTAINER, image, args: ARGS }];
    return templateOf({ spec: { containers } }, container, `${path}.image`);
  }
  const at = `${path}.template`;
  if (typeof template !== "string") return templateOf(template, container, at);
  let parsed: unknown;
  try {
    // JSON is YAML.
    parsed = parseYaml(await readFile(template, "utf8"));
  } catch (error) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${at} must be the path of a YAML or JSON file with one object (${template}: ${faultOf(error)})`,
    );
  }
  return templateOf(parsed, container, `${at} (${template})`);
}

/** What is wrong with a text, without what stands in it, as a parser would show: there may be a token. */
export function faultOf(error: unknown): string {
  const { reason, mark } = error as { reason?: unknown; mark?: { line?: number } };
  if (typeof reason !== "string") return reasonOf(error);
  return mark?.line === undefined ? reason : `${reason}, in line ${mark.line + 1}`;
}

/** A Job, a PodTemplate or a Pod as what Jobs are made from. */
function templateOf(value: unknown, container: string | undefined, path: string): JobTemplate {
  const given = objectAt(value, path);
  const spec = given.spec === undefined ? undefined : objectAt(given.spec, `${path}.spec`);
  // A Job has its pod's template in its spec, a PodTemplate beside its metadata, and a Pod is one.
  const inJob = spec !== undefined && "template" in spec;
  const inTemplate = spec === undefined && "template" in given;
  const where = inJob ? `${path}.spec.template` : inTemplate ? `${path}.template` : path;
  const pod = inJob
    ? objectAt(spec.template, where)
    : inTemplate
      ? objectAt(given.template, where)
      : given;
  const podSpec = objectAt(pod.spec, `${where}.spec`);
  const name = containerOf(podSpec.containers, container, `${where}.spec.containers`);
  const { template: _, ...jobSpec } = inJob ? spec : { template: undefined };
  const own = inJob ? given : {};
  return {
    ...metadataOf(own.metadata, `${path}.metadata`),
    spec: jobSpec,
    pod: { ...metadataOf(pod.metadata, `${where}.metadata`), spec: podSpec },
    container: name,
  };
}

function containerOf(value: unknown, name: string | undefined, path: string): string {
  const names = Array.isArray(value)
    ? value.map((one: unknown) => (isPlainObject(one) ? one.name : undefined))
    : [];
  if (names.length === 0 || names.some((one) => typeof one !== "string")) {
    throw invalid(path, "must be a list of containers, each with a name");
  }
  if (name === undefined) return names[0] as string;
  if (names.includes(name)) return name;
  throw invalid(path, `has no container ${JSON.stringify(name)}. There: ${names.join(", ")}`);
}

function metadataOf(
  value: unknown,
  path: string,
): { labels: Record<string, string>; annotations: Record<string, string> } {
  const { labels, annotations } = value === undefined ? ({} as JsonObject) : objectAt(value, path);
  return {
    labels: textsAt(labels, `${path}.labels`),
    annotations: textsAt(annotations, `${path}.annotations`),
  };
}

function textsAt(value: unknown, path: string): Record<string, string> {
  if (value === undefined) return {};
  const given = objectAt(value, path);
  const wrong = Object.entries(given).find(([, text]) => typeof text !== "string");
  if (wrong) throw invalid(`${path}.${wrong[0]}`, "must be a text, in quotes");
  return given as Record<string, string>;
}

function objectAt(value: unknown, path: string): JsonObject {
  if (isPlainObject(value)) return value;
  throw invalid(path, "must be an object of Kubernetes: a Job, a PodTemplate or a Pod");
}

function invalid(path: string, rule: string): OrchestratorError {
  return new OrchestratorError("CONFIG_INVALID", `${path} ${rule}`);
}
