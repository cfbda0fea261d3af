import { readFile } from "node:fs/promises";
import { OrchestratorError, reasonOf } from "../core/errors.ts";
import type { KubernetesOptions } from "../types/kubernetes.ts";
import { type ClientConfig, createKubernetesApi, type KubernetesApi } from "./kubernetes-api.ts";
import { toRefusal } from "./kubernetes-create.ts";
import { isPassing } from "./kubernetes-errors.ts";
import { labelValue } from "./kubernetes-job.ts";
import { createWatches, type KubernetesTarget, type Watches } from "./kubernetes-target.ts";
import { faultOf, loadTemplate } from "./kubernetes-template.ts";

/** The clusters and namespaces that options name. */
export interface Cluster {
  /** @throws OrchestratorError for a region that there is none for */
  target(region: string): KubernetesTarget;
  /** Looks whether the API servers take what they are asked with; one that is away may come back. */
  check(): Promise<void>;
  close(): void;
}

/** Loads the kubeconfig and the template, and looks at what they name. */
export async function openCluster(options: KubernetesOptions, path: string): Promise<Cluster> {
  const client = await importClient(path);
  const { KubeConfig } = client;
  const template = await loadTemplate(options, path, (text) => parseYaml(client, text));
  const apis = new Map<string, KubernetesApi>();
  const watches = new Map<string, Watches>();
  const targets = new Map<string, KubernetesTarget>();
  const regions = options.regions && Object.keys(options.regions);
  const inCluster = await readFile(NAMESPACE_FILE, "utf8").catch(() => undefined);

  function apiOf(context: string | undefined): KubernetesApi {
    const key = context ?? "";
    const api =
      apis.get(key) ?? createKubernetesApi(configOf(new KubeConfig(), options, context, path));
    apis.set(key, api);
    return api;
  }

  function make(region: string): KubernetesTarget {
    const own = options.regions?.[region] ?? {};
    const context = own.context ?? options.context;
    const api = apiOf(context);
    const namespace =
      own.namespace ?? options.namespace ?? (api.namespace || inCluster?.trim() || "default");
    const key = JSON.stringify([context, namespace]);
    const shared = watches.get(key) ?? createWatches(api, namespace);
    watches.set(key, shared);
    const byRegion =
      region === "" || own.context !== undefined ? undefined : { [REGION]: labelValue(region) };
    return {
      api,
      namespace,
      template: template,
      nodeSelector: own.nodeSelector ?? byRegion,
      image: own.image,
      options,
      watches: shared,
    };
  }

  function target(region: string): KubernetesTarget {
    if (region !== "" && regions && !regions.includes(region)) {
      throw new OrchestratorError(
        "NO_SERVER_AVAILABLE",
        `No runner servers available for region ${region}. ${path}.regions has: ${regions.join(", ")}`,
      );
    }
    const known = targets.get(region) ?? make(region);
    targets.set(region, known);
    return known;
  }

  // What is wrong with a context is found at the start.
  const all = (regions ?? [""]).map(target);
  return {
    target,
    async check() {
      for (const { api, namespace } of all) {
        for (const [group, resource] of [
          ["apis/batch/v1", "jobs"],
          ["api/v1", "pods"],
        ] as const) {
          try {
            await api.send({
              path: `/${group}/namespaces/${namespace}/${resource}`,
              query: { limit: 1 },
            });
          } catch (error) {
            if (!isPassing(error)) throw toRefusal(error, { verb: "list", resource, namespace });
            console.error(
              `[orchestrator] [kubernetes] ${reasonOf(error)}: tried again with each job`,
            );
          }
        }
      }
    },
    close() {
      for (const one of watches.values()) one.close();
      for (const api of apis.values()) api.close();
    },
  };
}

/** What cloud providers put on their nodes. */
const REGION = "topology.kubernetes.io/region";

/** Where a pod finds the name of its namespace. */
const NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

type Client = typeof import("@kubernetes/client-node");

/** Which cluster is asked, and as whom. */
function configOf(
  config: InstanceType<Client["KubeConfig"]>,
  { server, ca, token, kubeconfig }: KubernetesOptions,
  context: string | undefined,
  path: string,
): ClientConfig {
  try {
    if (server !== undefined) {
      const caData = ca === undefined ? undefined : Buffer.from(ca).toString("base64");
      config.loadFromClusterAndUser(
        {
          name: "cluster",
          server,
          skipTLSVerify: server.startsWith("http:"),
          ...(caData && { caData }),
        },
        { name: "user", ...(token !== undefined && { token }) },
      );
    } else if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
    else if (process.env.KUBERNETES_SERVICE_HOST) config.loadFromCluster();
    else {
      config.loadFromDefault();
      // What the client makes of no kubeconfig at all, and then refuses to use.
      if (config.getCurrentCluster()?.server === "http://localhost:8080") {
        throw new Error(
          "none is set, no KUBECONFIG and no ~/.kube/config is there, and this is no pod",
        );
      }
    }
    if (context !== undefined) {
      if (!config.getContextObject(context)) throw new Error(`it has no context "${context}"`);
      config.setCurrentContext(context);
    }
  } catch (cause) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path}.kubeconfig cannot be used${kubeconfig === undefined ? "" : ` (${kubeconfig})`}: ${faultOf(cause)}`,
    );
  }
  return config;
}

/** The package that knows kubeconfigs; `path` is what needs it. */
export async function importClient(path: string): Promise<Client> {
  try {
    return await load("@kubernetes/client-node");
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path} is set, which needs the package @kubernetes/client-node. Install it with \`npm install @kubernetes/client-node\`.`,
      { cause: error },
    );
  }
}

/**
 * What a text of YAML has, as it stands there. The client's own answer is an object of its types, by `kind`, which has
 * other names for some fields and lacks those that it does not know; the parser beneath it tells of what it read.
 */
export function parseYaml({ loadYaml }: Client, text: string): unknown {
  let read: unknown;
  loadYaml(text, {
    listener(event, state) {
      // The last to be closed is the document.
      if (event === "close") read = (state as unknown as { result: unknown }).result;
    },
  });
  return read;
}

/** Not by a literal: a bundler would put its 14 MB into every app beside which it is installed. */
async function load(name: string): Promise<Client> {
  return (await import(/* @vite-ignore */ name)) as Client;
}
