import { H3, type H3Event } from "h3";
import { canonicalJson } from "../../core/body.ts";
import { toJsonSchema } from "../../core/json-schema.ts";
import type { RunRecord } from "../../types/engine.ts";
import type { Manifest, StandardSchema, WorkflowEntry } from "../../types/manifest.ts";
import type { OrchestratorHandlerOptions } from "../app.ts";
import { errorResponse, HttpProblem } from "../errors.ts";
import { jsonResponse, readJsonObject } from "../json.ts";
import { argumentsOf, badField } from "../start-request.ts";

/** Seconds a poll may wait at most. */
const longestWait = 300;

/** The discovered workflows: listed, described, started, polled. */
export function addWorkflowRoutes(app: H3, options: OrchestratorHandlerOptions): void {
  const { route } = options;
  const answering =
    (answer: (event: H3Event) => Promise<Response>) =>
    async (event: H3Event): Promise<Response> => {
      try {
        return await answer(event);
      } catch (error) {
        return errorResponse(error);
      }
    };
  app.all(
    route,
    answering(async ({ req }) => {
      if (req.method !== "GET" && req.method !== "HEAD") throw methodNotAllowed("GET, HEAD");
      return list(route, await options.manifest());
    }),
  );
  app.all(
    `${route}/:name`,
    answering(async (event) => {
      const manifest = await options.manifest();
      const { method } = event.req;
      if (method !== "GET" && method !== "HEAD" && method !== "POST")
        throw methodNotAllowed("GET, HEAD, POST");
      const entry = find(manifest, decodeURIComponent(event.context.params?.name ?? ""));
      if (method === "POST") return start(event, entry, manifest, options);
      const runId = event.url.searchParams.get("runId");
      return runId === null ? describe(route, entry, manifest) : poll(event, entry, runId, options);
    }),
  );
  app.all(`${route}/**`, () => errorResponse(new HttpProblem(404, "Not found")));
}

function list(route: string, { workflows }: Manifest): Response {
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
    body: schema
      ? "input"
      : entry.accepts === "unknown"
        ? "jobs, job, input or args"
        : entry.accepts,
    ...(schema && { input: toJsonSchema(schema) }),
    ...(!entry.workflowId && { startable: false }),
  });
}

/** A workflow's input schema, by own entries only: a workflow may be named `toString`. */
function schemaOf(inputs: Manifest["inputs"], { name }: WorkflowEntry): StandardSchema | undefined {
  return Object.hasOwn(inputs, name) ? inputs[name] : undefined;
}

/** The workflow of a name, by own entries only, so that no inherited property is one. */
function find({ workflows }: Manifest, name: string): WorkflowEntry {
  const entry = workflows.find((workflow) => workflow.name === name);
  if (entry) return entry;
  throw new HttpProblem(400, `Orchestrator "${name}" not found`, {
    availableOrchestrators: workflows.map((workflow) => workflow.name),
  });
}

async function start(
  { req, url }: H3Event,
  entry: WorkflowEntry,
  { inputs }: Manifest,
  { engine, injected }: OrchestratorHandlerOptions,
): Promise<Response> {
  if (!entry.workflowId) {
    throw new HttpProblem(
      501,
      `"${entry.name}" cannot be started: the engine has not compiled it. In dev, try again in a second; else put 'use workflow' on a line of its own in ${entry.file}:${entry.line}.`,
    );
  }
  const key = idempotencyKey(req.headers);
  const body = await readJsonObject(req);
  const args = await argumentsOf(body, entry, schemaOf(inputs, entry), injected);
  const outcome = await engine.start({
    workflowId: entry.workflowId,
    args,
    ...(key !== undefined && {
      idempotency: { key, fingerprint: canonicalJson([entry.name, body]) },
    }),
  });
  if (outcome.kind === "conflict") {
    throw new HttpProblem(
      409,
      `Idempotency-Key "${key}" was used before with another workflow or body`,
    );
  }
  return jsonResponse(
    { runId: outcome.runId, orchestrator: entry.name, status: "started" },
    { headers: { location: `${url.pathname}?runId=${outcome.runId}` } },
  );
}

function idempotencyKey(headers: Headers): string | undefined {
  const key = headers.get("idempotency-key");
  if (key === null) return undefined;
  if (/^[\x21-\x7E]{1,255}$/.test(key)) return key;
  throw badField("Idempotency-Key", "must be 1 to 255 visible ASCII characters");
}

async function poll(
  { req, url }: H3Event,
  entry: WorkflowEntry,
  runId: string,
  { engine }: OrchestratorHandlerOptions,
): Promise<Response> {
  const wait = waitSeconds(url.searchParams.get("wait"));
  const found = await engine.read(runId);
  const ended = found && found.state !== "queued" && found.state !== "running";
  const mine = found?.workflowId === entry.workflowId;
  const run =
    mine && !ended && wait > 0 ? await engine.wait(runId, wait * 1000, req.signal) : found;
  if (!run || !mine) {
    throw new HttpProblem(404, `Run "${runId}" of orchestrator "${entry.name}" not found`, {
      runId,
    });
  }
  return runResponse(run);
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

function waitSeconds(text: string | null): number {
  if (text === null) return 0;
  const seconds = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && seconds <= longestWait) return seconds;
  throw badField("wait", `must be a number of seconds from 0 to ${longestWait} (got "${text}")`);
}

function methodNotAllowed(allow: string): HttpProblem {
  return new HttpProblem(405, "Method not allowed. Use GET or POST.", {}, { allow });
}
