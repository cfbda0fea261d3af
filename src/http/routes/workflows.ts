import { hasEnded } from "../../core/run-state.ts";
import type { H3Event } from "h3";
import { canonicalJson } from "../../core/body.ts";
import { toJsonSchema } from "../../core/json-schema.ts";
import { runWorkflow } from "../../core/run-workflow.ts";
import type { RunRecord } from "../../types/engine.ts";
import type { Manifest, StandardSchema, WorkflowEntry } from "../../types/manifest.ts";
import type { ApiOptions } from "../app.ts";
import { HttpProblem } from "../errors.ts";
import { jsonResponse, readJsonObject } from "../json.ts";
import { idempotencyKey, isRunId, waitSeconds } from "../parameters.ts";
import { logStarted, scopeOf } from "../request-scope.ts";
import { runRequestSchema } from "../schemas.ts";
import { actorOf } from "../service-request.ts";
import { argumentsOf } from "../start-request.ts";
import type { Submission } from "./regions.ts";

/** Answers `GET` and `POST` of a workflow's path: describes, polls or starts it. */
export async function answerForWorkflow(
  event: H3Event,
  entry: WorkflowEntry,
  manifest: Manifest,
  options: ApiOptions,
): Promise<Response> {
  if (event.req.method === "POST") return start(event, entry, manifest, options);
  const runId = event.url.searchParams.get("runId");
  if (runId === null) return describe(options.route, entry, manifest);
  return poll(event, entry, runId, options);
}

/** The app's workflows and the one of ours, sorted by name. */
export function withRun({ workflows, inputs }: Manifest): Manifest {
  const others = workflows.filter(({ name }) => name !== runWorkflow.name);
  return {
    workflows: [...others, runWorkflow].sort((a, b) => (a.name < b.name ? -1 : 1)),
    inputs: { ...inputs, [runWorkflow.name]: runRequestSchema },
  };
}

/** The workflows by name, and how to start one. */
export function listWorkflows(route: string, { workflows }: Manifest): Response {
  return jsonResponse({
    orchestrators: workflows.map(({ name }) => name),
    usage: { method: "POST", endpoint: `${route}/{orchestratorName}` },
    workflows: workflows.map(({ name, file, description, workflowId }) => ({
      name,
      endpoint: `${route}/${name}`,
      file,
      ...(description && { description }),
      ...(!workflowId && { startable: false }),
    })),
  });
}

function describe(route: string, entry: WorkflowEntry, { inputs }: Manifest): Response {
  const schema = schemaOf(inputs, entry);
  return jsonResponse({
    name: entry.name,
    endpoint: `${route}/${entry.name}`,
    file: entry.file,
    line: entry.line,
    ...(entry.description && { description: entry.description }),
    parameters: entry.parameters,
    body: bodyOf(entry, schema),
    ...(schema && { input: toJsonSchema(schema) }),
    ...(!entry.workflowId && { startable: false }),
  });
}

/** The fields a workflow's arguments stand in; `run` has its own kind of body. */
function bodyOf({ name, accepts }: WorkflowEntry, schema: StandardSchema | undefined): string {
  if (name === runWorkflow.name) return "runners";
  if (schema) return "input";
  return accepts === "unknown" ? "jobs, job, input or args" : accepts;
}

/** A workflow's input schema, by own entries only: a workflow may be named `toString`. */
function schemaOf(inputs: Manifest["inputs"], { name }: WorkflowEntry): StandardSchema | undefined {
  return Object.hasOwn(inputs, name) ? inputs[name] : undefined;
}

/** The 400 of a name that no workflow has, with those that there are. */
export function unknownWorkflow(name: string, { workflows }: Manifest): HttpProblem {
  return new HttpProblem(400, `Orchestrator "${name}" not found`, {
    availableOrchestrators: workflows.map((workflow) => workflow.name),
  });
}

async function start(
  { req, url }: H3Event,
  entry: WorkflowEntry,
  manifest: Manifest,
  options: ApiOptions,
): Promise<Response> {
  const owner = actorOf(req.headers);
  const runId = await startWorkflow(entry, await readJsonObject(req), manifest, options, {
    key: idempotencyKey(req.headers),
    about: { ...(owner !== undefined && { owner }) },
    scope: scopeOf(req),
  });
  return jsonResponse(
    { runId, orchestrator: entry.name, status: "started" },
    { headers: { location: `${url.pathname}?runId=${runId}` } },
  );
}

/** Starts a run of a workflow with the arguments that a body holds, and answers with its id. */
export async function startWorkflow(
  entry: WorkflowEntry,
  body: Record<string, unknown>,
  { inputs }: Manifest,
  { engine, injected }: ApiOptions,
  { key, about, callback, scope }: Pick<Submission, "about" | "callback" | "key" | "scope">,
): Promise<string> {
  if (!entry.workflowId) {
    throw new HttpProblem(
      501,
      `"${entry.name}" cannot be started: the engine has not compiled it. In dev, try again in a second; else put 'use workflow' on a line of its own in ${entry.file}:${entry.line}.`,
    );
  }
  const { owner: _, ...said } = { ...about, ...(callback && { callback: callback.url }) };
  const more = Object.keys(said).length > 0 ? [said] : [];
  const args = await argumentsOf(body, entry, schemaOf(inputs, entry), injected);
  const outcome = await engine.start({
    workflowId: entry.workflowId,
    args,
    about: { ...about, ...scope?.trace },
    ...(key !== undefined && {
      idempotency: { key, fingerprint: canonicalJson([entry.name, body, ...more]) },
    }),
  });
  if (outcome.kind === "conflict") {
    throw new HttpProblem(
      409,
      `Idempotency-Key "${key}" was used before with another workflow or body`,
    );
  }
  if (outcome.kind === "started") logStarted(scope, entry.name, outcome.runId);
  return outcome.runId;
}

async function poll(
  { req, url }: H3Event,
  entry: WorkflowEntry,
  runId: string,
  { engine, runs }: ApiOptions,
): Promise<Response> {
  const wait = waitSeconds(url.searchParams.get("wait"));
  const ours = entry.name === runWorkflow.name && isRunId(runId);
  const id = (ours && (await runs.engineId(runId))) || runId;
  const found = await engine.read(id);
  const ended = found && hasEnded(found.state);
  const mine = found?.workflowId === entry.workflowId;
  const run = mine && !ended && wait > 0 ? await engine.wait(id, wait * 1000, req.signal) : found;
  if (!run || !mine) {
    throw new HttpProblem(404, `Run "${runId}" of orchestrator "${entry.name}" not found`, {
      runId,
    });
  }
  return runResponse({ ...run, runId });
}

function runResponse(run: RunRecord): Response {
  const { runId, state } = run;
  switch (state) {
    case "completed":
      return outputResponse(run);
    case "failed":
      return jsonResponse({ status: "failed", runId, error: run.error }, { status: 500 });
    case "cancelled":
      return jsonResponse(
        { status: "cancelled", runId, error: "The run was cancelled" },
        { status: 409 },
      );
    default:
      return jsonResponse(
        { status: "running", runId },
        { status: 202, headers: { "retry-after": "1" } },
      );
  }
}

/** A return value, or why JSON cannot say it. */
function outputResponse({ runId, output }: RunRecord): Response {
  try {
    return jsonResponse(output);
  } catch (error) {
    const reason = `The return value cannot be written as JSON: ${(error as Error).message}`;
    return jsonResponse({ status: "completed", runId, error: reason }, { status: 500 });
  }
}
