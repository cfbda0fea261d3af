import type { H3, H3Event } from "h3";
import { runWorkflow } from "../../core/run-workflow.ts";
import type { Manifest } from "../../types/manifest.ts";
import type { RunPlan, RunStateName } from "../../types/run.ts";
import type { ApiOptions } from "../app.ts";
import { errorResponse, HttpProblem } from "../errors.ts";
import { eventStreamHeaders, streamEvents } from "../events.ts";
import { jsonListResponse, jsonResponse, readJsonObject } from "../json.ts";
import { idempotencyKey, isGet, isRunId } from "../parameters.ts";
import { scopeOf } from "../request-scope.ts";
import { parseRunFilter } from "../run-request.ts";
import { actorOf, parseCheckpoint, parseTags, takeExtras } from "../service-request.ts";
import { toServiceRun, toServiceStatus } from "../service-run.ts";
import { badField } from "../start-request.ts";
import { type Submission, submitBody } from "./regions.ts";
import { startWorkflow, unknownWorkflow, withRun } from "./workflows.ts";

type Answer = (event: H3Event, id: string) => unknown;

/** The run service below a path: `/runs` and what is below it. */
export function addRunRoutes(app: H3, base: string, options: ApiOptions): void {
  const { workflowRuns, guard } = options;
  const add = (path: string, methods: Record<string, Answer>): void => {
    app.all(`${base}/runs${path}`, async (event) => {
      try {
        return await answerOf(event, methods)(event, idOf(event));
      } catch (error) {
        return errorResponse(error);
      }
    });
  };
  add("", {
    GET: (event) => listRuns(event, options),
    POST: (event) => createRun(event, base, options),
  });
  add("/:id", {
    async GET(_event, id) {
      const run = await workflowRuns.read(id);
      return jsonResponse({ run: toServiceRun(found(run)) });
    },
    async DELETE(_event, id) {
      const outcome = found(await workflowRuns.cancel(id));
      if (outcome.kind === "cancelled") return jsonResponse({ ok: true, status: "canceled" });
      throw endedOtherwise(outcome.state);
    },
  });
  add("/:id/checkpoints", {
    async GET(_event, id) {
      const checkpoints = found(await workflowRuns.checkpoints(id));
      return jsonListResponse({ runId: id }, "checkpoints", checkpoints);
    },
    async POST({ req }, id) {
      const checkpoint = parseCheckpoint(await readJsonObject(req));
      const outcome = found(await workflowRuns.addCheckpoint(id, checkpoint));
      if (outcome.kind === "added") {
        return jsonResponse({ checkpointId: outcome.checkpointId }, { status: 201 });
      }
      throw runEnded(outcome.state);
    },
  });
  add("/:id/events", {
    async GET(event, id) {
      if (event.req.method === "HEAD") {
        found(await workflowRuns.read(id));
        return new Response(null, {
          headers: eventStreamHeaders,
        });
      }
      return found(await streamEvents(event, id, { runs: workflowRuns, ...options.streams }));
    },
  });
  add("/:id/events/token", {
    async POST(_event, id) {
      found(await workflowRuns.read(id));
      const headers = { "cache-control": "no-store" };
      return jsonResponse(guard.tokens.issue(id), { status: 201, headers });
    },
  });
}

/** What answers a request's method. */
function answerOf({ req: { method } }: H3Event, methods: Record<string, Answer>): Answer {
  const answer = methods[isGet(method) ? "GET" : method];
  if (answer) return answer;
  throw otherMethod(Object.keys(methods));
}

/** The 405 of a path that has these methods. */
export function otherMethod(methods: readonly string[]): HttpProblem {
  const allow = methods.flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : [name])).join(", ");
  return new HttpProblem(405, `Method not allowed. Use ${methods.join(" or ")}.`, {}, { allow });
}

/** The 409 of a cancel that comes after another end. */
export function endedOtherwise(state: RunStateName): HttpProblem {
  const from = toServiceStatus(state);
  return new HttpProblem(409, "invalid status transition", { from, to: "canceled" });
}

/** The 409 of a checkpoint for a run that has ended. */
export function runEnded(state: RunStateName): HttpProblem {
  return new HttpProblem(409, "run has ended", { status: toServiceStatus(state) });
}

/** The 404 of an id that no run has. */
export function runNotFound(): HttpProblem {
  return new HttpProblem(404, "run not found");
}

/** The id in a path; one that no run can have reaches no storage. */
function idOf({ context }: H3Event): string {
  const { id } = context.params ?? {};
  if (id === undefined) return "";
  const decoded = decodeURIComponent(id);
  if (!isRunId(decoded)) throw runNotFound();
  return decoded;
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw runNotFound();
  return value;
}

async function listRuns({ url }: H3Event, { workflowRuns }: ApiOptions): Promise<Response> {
  const { runs, cursor } = await workflowRuns.list(parseRunFilter(url.searchParams));
  return jsonResponse({ runs: runs.map(toServiceRun), ...(cursor !== undefined && { cursor }) });
}

/** Starts a run of any workflow, or answers with the plan of one over regions. */
async function createRun(event: H3Event, base: string, options: ApiOptions): Promise<Response> {
  const { headers } = event.req;
  const { extras, rest } = takeExtras(await readJsonObject(event.req));
  const { workflow = runWorkflow.name, metadata, callback } = extras;
  if (callback) options.callbacks.assertAllowed(callback);
  const owner = actorOf(headers);
  const submission = {
    key: idempotencyKey(headers),
    mode: event.url.searchParams.get("mode"),
    about: { ...(owner !== undefined && { owner }), ...(metadata && { metadata }) },
    scope: scopeOf(event.req),
    ...(callback && { callback }),
  };
  const manifest = withRun(await options.manifest());
  const answer =
    workflow === runWorkflow.name
      ? await startRegional(rest, manifest, options, submission)
      : await startOther(workflow, rest, manifest, options, submission);
  if ("plan" in answer) return jsonResponse(answer);
  if (callback) await options.callbacks.register(answer.runId, callback);
  const location = `${base}/runs/${answer.runId}`;
  return jsonResponse(answer, { status: 201, headers: { location } });
}

/** Starts a run over regions, or plans it, as is done where nothing names a mode. */
async function startRegional(
  body: Record<string, unknown>,
  manifest: Manifest,
  options: ApiOptions,
  submission: Omit<Submission, "plan">,
): Promise<RunPlan | { runId: string }> {
  const request = requestOf(body);
  const plan = request.mode === undefined && submission.mode === null;
  const planning = plan || request.mode === "plan" || submission.mode === "plan";
  // Nothing is a plan too.
  if (planning && Object.keys(request).every((key) => key === "mode")) return emptyPlan;
  return submitBody(request, manifest, options, { ...submission, plan });
}

const emptyPlan: RunPlan = {
  mode: "plan",
  plan: { mode: "remote", totalJobs: 0, shards: 0, steps: [] },
};

/** A run request, which may stand in `input` as the argument of any workflow does. */
function requestOf({ input, ...rest }: Record<string, unknown>): Record<string, unknown> {
  if (input === undefined) return rest;
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw badField("input", "must be an object");
  }
  const twice = Object.keys(rest).find((key) => Object.hasOwn(input, key));
  if (twice !== undefined) throw badField(twice, "stands in input too");
  return { ...rest, ...input };
}

/** Starts a run of one of the app's own workflows. */
async function startOther(
  workflow: string,
  { tags, ...body }: Record<string, unknown>,
  manifest: Manifest,
  options: ApiOptions,
  { key, mode, about, callback, scope }: Omit<Submission, "plan">,
): Promise<{ runId: string }> {
  const entry = manifest.workflows.find(({ name }) => name === workflow);
  if (!entry) throw unknownWorkflow(workflow, manifest);
  if (mode !== null || body.mode !== undefined) {
    throw modeBeside(workflow);
  }
  const named = tags === undefined ? about : { ...about, tags: parseTags(tags) };
  const runId = await startWorkflow(entry, body, manifest, options, {
    key,
    about: named,
    scope,
    ...(callback && { callback }),
  });
  return { runId };
}

/** The 400 of a mode for a workflow that has none. */
export function modeBeside(workflow: string): HttpProblem {
  return badField("mode", `cannot stand beside workflow "${workflow}": only "run" has modes`);
}
