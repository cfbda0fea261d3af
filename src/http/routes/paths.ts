import { H3, type H3Event } from "h3";
import { runWorkflow } from "../../core/run-workflow.ts";
import type { Manifest } from "../../types/manifest.ts";
import type { ApiOptions } from "../app.ts";
import { errorResponse, HttpProblem, runErrorResponse } from "../errors.ts";
import { isGet } from "../parameters.ts";
import { runResults, runStatus, submitRun } from "./regions.ts";
import { addRunRoutes } from "./runs.ts";
import { answerForWorkflow, listWorkflows, unknownWorkflow, withRun } from "./workflows.ts";

type Answer = (event: H3Event, manifest: Manifest) => Promise<Response> | Response;

/** First segments below which a run is submitted, and found again by its id; so it is below none. */
const families: ReadonlySet<string> = new Set([runWorkflow.name, "orchestrator"]);

/**
 * What is answered where below the mounted route. The name of a discovered workflow comes before
 * words of ours and ids of runs.
 */
export function addRoutes(app: H3, options: ApiOptions): void {
  const { route } = options;
  const add = (path: string, answer: Answer): void => {
    app.all(`${route}${path}`, async (event) => {
      try {
        return await answer(event, withRun(await options.manifest()));
      } catch (error) {
        return errorResponse(error);
      }
    });
  };
  addRunRoutes(app, route, options);
  if (options.service !== false && options.service !== route) {
    addRunRoutes(app, options.service, options);
  }
  add("", (event, manifest) => {
    const { method } = event.req;
    if (method === "POST") {
      return inRunForm(() => submitRun(event, manifest, options, { base: route }));
    }
    if (!isGet(method)) throw methodNotAllowed("GET, HEAD, POST");
    return listWorkflows(route, manifest);
  });
  add("/:name", (event, manifest) => answerByName(event, manifest, options));
  add("/:name/:id", (event, manifest) => {
    const { name, id } = segmentsOf(event);
    if (families.has(name)) {
      return toGet(event, () => runResults(event, id, manifest, options));
    }
    if (id !== "status") throw new HttpProblem(404, "Not found");
    return toGet(event, () => runStatus(event, name, manifest, options));
  });
  add("/:name/:id/:word", (event, manifest) => {
    const { name, id, word } = segmentsOf(event);
    if (!families.has(name) || word !== "status") throw new HttpProblem(404, "Not found");
    return toGet(event, () => runStatus(event, id, manifest, options));
  });
  add("/**", () => {
    throw new HttpProblem(404, "Not found");
  });
}

/** A path of one segment: a workflow's name, a word of ours, or a run's id. */
async function answerByName(
  event: H3Event,
  manifest: Manifest,
  options: ApiOptions,
): Promise<Response> {
  const { route } = options;
  const { method } = event.req;
  const { name } = segmentsOf(event);
  if (method === "POST" && families.has(name)) {
    const base = `${route}/${name}`;
    return inRunForm(() => submitRun(event, manifest, options, { base }));
  }
  const entry = manifest.workflows.find((workflow) => workflow.name === name);
  if (!entry && (name === "plan" || name === "orchestrator")) {
    return inRunForm(() => {
      if (method !== "POST") throw methodNotAllowed("POST");
      return submitRun(event, manifest, options, { base: route, plan: true });
    });
  }
  if (method !== "POST" && !isGet(method)) throw methodNotAllowed("GET, HEAD, POST");
  if (entry) return answerForWorkflow(event, entry, manifest, options);
  const unknown = method === "POST" || event.url.searchParams.has("runId");
  if (unknown) throw unknownWorkflow(name, manifest);
  return answerForId(event, name, manifest, options);
}

/** A run's results; where there is none, what is spelled as a workflow's name is taken for one. */
async function answerForId(
  event: H3Event,
  id: string,
  manifest: Manifest,
  options: ApiOptions,
): Promise<Response> {
  const answer = await inRunForm(() => runResults(event, id, manifest, options));
  const nameLike = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200C\u200D]*$/u.test(id);
  if (answer.status !== 404 || !nameLike || /^w?run_/.test(id)) return answer;
  throw unknownWorkflow(id, manifest);
}

/** Answers `GET` and `HEAD`, and errors in the form of the run routes. */
function toGet({ req }: H3Event, answer: () => Promise<Response>): Promise<Response> {
  return inRunForm(() => {
    if (!isGet(req.method)) throw methodNotAllowed("GET, HEAD");
    return answer();
  });
}

async function inRunForm(answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    return runErrorResponse(error);
  }
}

/** A path's segments below the route, decoded. */
function segmentsOf({ context }: H3Event): { name: string; id: string; word: string } {
  const { name = "", id = "", word = "" } = context.params ?? {};
  return {
    name: decodeURIComponent(name),
    id: decodeURIComponent(id),
    word: decodeURIComponent(word),
  };
}

function methodNotAllowed(allow: string): HttpProblem {
  const methods = allow.replace("HEAD, ", "").replace(", HEAD", "").replace(", ", " or ");
  return new HttpProblem(405, `Method not allowed. Use ${methods}.`, {}, { allow });
}
