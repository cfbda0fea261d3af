import { hasEnded } from "../../core/run-state.ts";
import type { H3Event } from "h3";
import { canonicalJson } from "../../core/body.ts";
import { assertRunId, jobsToRerun, planJobs, runInput, runModeOf } from "../../core/run-plan.ts";
import { notConfigured } from "../../core/run-modes.ts";
import { runWorkflow } from "../../core/run-workflow.ts";
import type { RunAbout } from "../../types/engine.ts";
import type { Manifest } from "../../types/manifest.ts";
import type { PlannedJob, RunMode, RunPlan, RunRequest, RunStateName } from "../../types/run.ts";
import type { Callback } from "../../types/service.ts";
import type { ApiOptions } from "../app.ts";
import { HttpProblem } from "../errors.ts";
import { jsonResponse, readJsonObject } from "../json.ts";
import { idempotencyKey, isRunId, waitSeconds } from "../parameters.ts";
import { logStarted, type RequestScope, scopeOf } from "../request-scope.ts";
import { parseRunRequest } from "../run-request.ts";
import { actorOf } from "../service-request.ts";
import { badField } from "../start-request.ts";

/** The jobs of a request, and who executes them. */
interface Planned {
  jobs: PlannedJob[];
  mode: RunMode;
}

/**
 * Starts a run over regions, or only plans it where the path, the query or the body says so.
 *
 * @param base path below which the run is found again, for `Location`
 */
export async function submitRun(
  { req, url }: H3Event,
  manifest: Manifest,
  options: ApiOptions,
  { base, plan = false }: { base: string; plan?: boolean },
): Promise<Response> {
  const owner = actorOf(req.headers);
  const answer = await submitBody(await readJsonObject(req), manifest, options, {
    key: idempotencyKey(req.headers),
    mode: url.searchParams.get("mode"),
    plan,
    about: { ...(owner !== undefined && { owner }) },
    scope: scopeOf(req),
  });
  if ("plan" in answer) return jsonResponse(answer);
  return jsonResponse(answer, { headers: { location: `${base}/${answer.runId}` } });
}

/** What a submit says beside its body. */
export interface Submission {
  /** Value of the `Idempotency-Key` header. */
  key: string | undefined;
  /** The query's `mode`. */
  mode: string | null;
  /** Whether the path asks for a plan. */
  plan: boolean;
  about: RunAbout;
  /** The request's, whose trace the run is a part of. */
  scope: RequestScope | undefined;
  /** Where the run's end is told. */
  callback?: Callback;
}

/** Starts a run over regions, or plans it where the path, the query or the body says so. */
export async function submitBody(
  body: Record<string, unknown>,
  { workflows }: Manifest,
  options: ApiOptions,
  { key, mode: queryMode, plan, about, callback, scope }: Submission,
): Promise<RunPlan | { runId: string }> {
  const { runs } = options;
  const { request, planning } = parseRunRequest(body, queryMode, plan);
  const { runId, tags } = request;
  if (runId !== undefined) {
    assertRunId(
      runId,
      workflows.map(({ name }) => name),
    );
  }
  const { jobs, mode } = await planOf(request, options);
  if (!options.modes.has(mode)) throw badField("mode", notConfigured(mode));
  const input = runInput(request, mode, jobs, { now: Date.now() });
  if (planning) return runs.plan(input);
  const more = [about.metadata, callback && { callback: callback.url }].filter(Boolean);
  const outcome = await runs.submit(input, {
    ...about,
    ...scope?.trace,
    fingerprint: canonicalJson(more.length > 0 ? [request, ...more] : request),
    ...(runId !== undefined && { runId }),
    ...(tags && { tags: [...new Set(tags)] }),
    ...(key !== undefined && { idempotencyKey: key }),
  });
  if (outcome.kind === "conflict") throw usedBefore(outcome.field, key, runId);
  if (outcome.kind === "started") logStarted(scope, runWorkflow.name, outcome.runId);
  return { runId: outcome.runId };
}

/** A run's progress; `?wait=` holds the answer back until the run has ended. */
export async function runStatus(
  event: H3Event,
  id: string,
  manifest: Manifest,
  options: ApiOptions,
): Promise<Response> {
  const read = (): Promise<{ state: RunStateName } | undefined> => options.runs.status(id);
  return jsonResponse(await awaited(event, id, manifest, options, read));
}

/** A run's results so far; `?wait=` holds the answer back until the run has ended. */
export async function runResults(
  event: H3Event,
  id: string,
  manifest: Manifest,
  options: ApiOptions,
): Promise<Response> {
  const read = (): Promise<{ state: RunStateName } | undefined> => options.runs.results(id);
  return jsonResponse(await awaited(event, id, manifest, options, read));
}

async function planOf(request: RunRequest, options: ApiOptions): Promise<Planned> {
  const uuid = (): string => crypto.randomUUID();
  if (request.rerun !== undefined) return rerunOf(request, request.rerun, uuid, options);
  const mode = runModeOf(request);
  return { mode, jobs: planJobs(request, mode, { uuid }) };
}

/** What of an ended run did not pass, to be executed as it was. */
async function rerunOf(
  { mode }: RunRequest,
  id: string,
  uuid: () => string,
  { runs }: ApiOptions,
): Promise<Planned> {
  const known = isRunId(id);
  const [results, input] = known ? await Promise.all([runs.results(id), runs.input(id)]) : [];
  if (!results || !input) throw runNotFound(id, "rerun");
  if (mode !== undefined && mode !== "plan" && mode !== input.mode) {
    throw badField("mode", `must be '${input.mode}', as in the run that is run again`);
  }
  if (!hasEnded(results.state)) throw conflict("rerun", `Run "${id}" has not ended yet`);
  const jobs = jobsToRerun(input.jobs, results.jobs, { uuid });
  if (jobs.length === 0) throw conflict("rerun", `Every job of run "${id}" passed`);
  return { jobs, mode: input.mode };
}

/** What `read` answers, once the run has ended or the seconds of `?wait=` are over. */
async function awaited<Answer extends { state: RunStateName }>(
  { req, url }: H3Event,
  id: string,
  manifest: Manifest,
  options: ApiOptions,
  read: () => Promise<Answer | undefined>,
): Promise<Answer> {
  const wait = waitSeconds(url.searchParams.get("wait"));
  const found = isRunId(id) ? await read() : undefined;
  if (!found) throw await notOurs(id, manifest, options);
  if (wait === 0 || hasEnded(found.state)) return found;
  const engineId = await options.runs.engineId(id);
  if (engineId !== undefined) await options.engine.wait(engineId, wait * 1000, req.signal);
  return (await read()) ?? found;
}

/** The 404 of an id; for a run of another workflow it says with which path that one is polled. */
async function notOurs(
  id: string,
  { workflows }: Manifest,
  { engine, route }: ApiOptions,
): Promise<HttpProblem> {
  const run = await engine.read(id);
  const entry = run && workflows.find(({ workflowId }) => workflowId === run.workflowId);
  if (!entry) return runNotFound(id, "runId");
  const path = `${route}/${entry.name}?runId=${id}`;
  const message = `Run "${id}" is one of workflow "${entry.name}": poll it with GET ${path}`;
  return problem(404, "runId", message, "not_found");
}

/** The 404 of an id that no run has. */
function runNotFound(id: string, field: string): HttpProblem {
  return problem(404, field, `Run "${id}" not found`, "not_found");
}

function usedBefore(
  field: string,
  key: string | undefined,
  runId: string | undefined,
): HttpProblem {
  const value = field === "runId" ? runId : key;
  return conflict(field, `${field} "${value}" was used before with another request`);
}

function conflict(field: string, message: string): HttpProblem {
  return problem(409, field, message, "conflict");
}

function problem(status: number, field: string, message: string, code: string): HttpProblem {
  return new HttpProblem(status, message, { issues: [{ path: [field], message, code }] });
}
