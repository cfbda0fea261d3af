import { readFile } from "node:fs/promises";
import { OrchestratorError } from "../core/errors.ts";
import type { KubernetesConfig } from "../types/kubernetes.ts";
import { importClient, parseYaml } from "./kubernetes-cluster.ts";
import { faultOf } from "./kubernetes-template.ts";

/**
 * The options in a variable of the environment: as JSON, or in the YAML or JSON file that it names.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with the variable's name
 */
export async function readKubernetesVariable(
  text: string,
  name: string,
): Promise<KubernetesConfig> {
  const client = await importClient(name);
  try {
    // JSON is YAML.
    const yaml = /^\s*\{/.test(text) ? text : await readFile(text, "utf8");
    return parseYaml(client, yaml) as KubernetesConfig;
  } catch (error) {
    // Where it is no path, the system's message would have all of it.
    const { code } = error as { code?: unknown };
    const reason = typeof code === "string" ? code : faultOf(error);
    const rule =
      'must be JSON such as {"image": "registry.example.com/checks:1"}, or a file\'s path';
    throw new OrchestratorError("CONFIG_INVALID", `${name} ${rule} (${reason})`);
  }
}
