import { docsOperation, specOperation } from "../docs/operations.ts";
import { sampleOf } from "../core/json-sample.ts";
import { inputComponents, toJsonSchema } from "../core/json-schema.ts";
import { runWorkflow } from "../core/run-workflow.ts";
import { version } from "../core/version.ts";
import type { JsonObject, Manifest, StandardSchema } from "../types/index.ts";
import { refer, schemaComponents } from "./openapi/components.ts";
import { errorComponents, runForm, sharedErrors } from "./openapi/errors.ts";
import type { ExampleRunner } from "./openapi/examples.ts";
import { guardComponents, guarded, securitySchemes } from "./openapi/guarded.ts";
import { headers, parameters, type Paths } from "./openapi/operation.ts";
import { runPaths } from "./openapi/runs.ts";
import { serverPaths } from "./openapi/servers.ts";
import type { ExampleStart } from "./openapi/service-examples.ts";
import { servicePaths } from "./openapi/service.ts";
import {
  bodyExamples,
  type DescribedWorkflow,
  workflowOperations,
  workflowPaths,
} from "./openapi/workflows.ts";

/** An OpenAPI 3.1 document, as plain JSON. */
export type OrchestratorDocument = JsonObject & { openapi: string; paths: Paths };

/** A runner of this process, which executes it in `local` mode. */
export interface DescribedRunner {
  name: string;
  /** Of its input. */
  schema?: StandardSchema | undefined;
}

/** What an app's document is made from. */
export interface OrchestratorDocumentSources {
  /** Where the API is mounted, such as `/api/orchestrator`, or nothing for the root. */
  route: string;
  /** The path below which the run service stands too; `""` for the root. */
  service?: string | false;
  manifest: Manifest;
  runners?: readonly DescribedRunner[];
  /** Whether requests need keys. */
  auth?: boolean;
  /** Whether a caller can have sent too much. */
  limited?: boolean;
  /** What the paths stand below. */
  serverUrl: string;
}

/** The OpenAPI document of an app's API. */
export async function orchestratorDocument(
  sources: OrchestratorDocumentSources,
): Promise<OrchestratorDocument> {
  const { manifest, runners = [], auth = false, limited = false, serverUrl } = sources;
  const schemas = schemaComponents();
  const taken = new Set(Object.keys(schemas));
  const own = manifest.workflows.filter(({ name }) => name !== runWorkflow.name);
  const workflowInputs = inputComponents(
    own.map(({ name }) => ({ name, schema: ownEntry(manifest.inputs, name) })),
    taken,
  );
  const runnerInputs = inputComponents(runners, taken);
  return {
    openapi: "3.1.0",
    info: {
      title: "Runners Orchestrator API",
      version,
      description:
        "Starts checks (runners) over regions as durable runs, and this app's own workflows. An acknowledged run goes on through a restart.",
    },
    servers: [{ url: serverUrl }],
    tags: [
      { name: "runs", description: "Checks over regions: submitted, followed, listed." },
      {
        name: "service",
        description:
          "Runs of every workflow: created, followed as they happen, annotated, canceled. What operators ask for.",
      },
      { name: "servers", description: "Runner servers: listed, and how they join and leave." },
      { name: "workflows", description: "This app's own workflows: listed, started, polled." },
      {
        name: "aliases",
        description: "Other paths of the same operations, for clients that have them.",
      },
      { name: "meta", description: "This document." },
    ],
    paths: await pathsOf(sources, workflowInputs),
    components: {
      schemas: {
        ...schemas,
        ...Object.fromEntries(
          [...workflowInputs.values(), ...runnerInputs.values()].map(({ key, schema }) => [
            key,
            schema,
          ]),
        ),
      },
      parameters,
      headers,
      responses: { ...(await errorComponents()), ...(await guardComponents({ auth, limited })) },
      ...(auth && { securitySchemes }),
    },
    // For the docs page: what a runner takes, which `RunRequest` cannot say.
    "x-runners": runners.map(({ name }) => {
      const input = runnerInputs.get(name);
      return input ? { name, input: refer(input.key) } : { name };
    }),
  };
}

/** All paths, whereof a workflow's name takes precedence over a word of ours that is no run's path. */
async function pathsOf(
  sources: OrchestratorDocumentSources,
  inputs: ReturnType<typeof inputComponents>,
): Promise<Paths> {
  const { route, service = false, manifest, runners = [] } = sources;
  const { auth = false, limited = false } = sources;
  const own = manifest.workflows.filter(({ name }) => name !== runWorkflow.name);
  const workflows = [...own, runWorkflow].sort((a, b) => (a.name < b.name ? -1 : 1));
  const described = workflows.map((entry): DescribedWorkflow => {
    const endpoint = `${route}/${entry.name}`;
    const input = inputs.get(entry.name);
    const schema = ownEntry(manifest.inputs, entry.name);
    if (!input || !schema) return { entry, endpoint };
    const sample = sampleOf(toJsonSchema(schema));
    return { entry, endpoint, input: { component: input.key, sample } };
  });
  const all = { ...manifest, workflows };
  const runner = exampleRunner(runners[0]);
  const start = exampleStart(described);
  const paths = [
    await runPaths(route, all, runner),
    await workflowPaths(route, all),
    await servicePaths({ route, service, manifest: all, runner, start, auth }),
    // A workflow that is called so goes before them.
    own.some(({ name }) => name === "servers") ? {} : await serverPaths(route),
    metaPaths(route),
  ].reduce(merge);
  for (const workflow of described) {
    const path = encodeURI(workflow.endpoint);
    const { post, get } = await workflowOperations(workflow);
    // A run is submitted there, whatever workflows there are.
    const submits = paths[path]?.post?.operationId.startsWith("submitRun")
      ? paths[path].post
      : post;
    paths[path] = { post: submits, get };
  }
  return guarded(paths, {
    auth,
    limited,
    mounts: service === false ? [route] : [route, service],
    isWorkflow: async (name) => own.some((entry) => entry.name === name),
  });
}

/** A runner of this process, or a name that one may have. */
function exampleRunner({ name, schema }: DescribedRunner = { name: "checkTitle" }): ExampleRunner {
  const input = schema && sampleOf(toJsonSchema(schema));
  const isObject = typeof input === "object" && input !== null && !Array.isArray(input);
  return { name, input: isObject ? (input as JsonObject) : {} };
}

/** A start of the first of the app's own workflows that can be started. */
function exampleStart(workflows: readonly DescribedWorkflow[]): ExampleStart | undefined {
  const found = workflows.find(({ entry }) => entry.workflowId && entry !== runWorkflow);
  if (!found) return undefined;
  const { entry, input } = found;
  const [body] = input ? [{ input: input.sample }] : Object.values(bodyExamples(entry.accepts));
  return { workflow: entry.name, ...(body as object) };
}

function merge(one: Paths, other: Paths): Paths {
  const merged: Paths = { ...one };
  for (const [path, item] of Object.entries(other)) merged[path] = { ...merged[path], ...item };
  return merged;
}

function metaPaths(route: string): Paths {
  return {
    [`${route}/spec.json`]: { get: specOperation(sharedErrors(runForm, [405, 500])) },
    [`${route}/docs`]: { get: docsOperation(sharedErrors(runForm, [405])) },
  };
}

function ownEntry(inputs: Manifest["inputs"], name: string): StandardSchema | undefined {
  return Object.hasOwn(inputs, name) ? inputs[name] : undefined;
}
