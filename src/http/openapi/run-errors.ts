import { notConfigured } from "../../core/run-modes.ts";
import { planJobs } from "../../core/run-plan.ts";
import type { JsonObject, Manifest } from "../../types/index.ts";
import { HttpProblem } from "../errors.ts";
import { waitSeconds } from "../parameters.ts";
import { unknownWorkflow } from "../routes/workflows.ts";
import { parseRunRequest } from "../run-request.ts";
import { badField } from "../start-request.ts";
import { refer } from "./components.ts";
import {
  type ErrorForm,
  errorExamples,
  type Problems,
  runForm,
  thrownBy,
  workflowForm,
} from "./errors.ts";
import { runId } from "./examples.ts";

const soon = thrownBy(() => waitSeconds("soon"));

/** The 400 of a `wait` that is none. */
export function wrongWait(): Promise<JsonObject> {
  return errorExamples(runForm, 400, { wrongWait: soon });
}

/** The 404 of an id that no run has, in this field. */
export function unknownRun(field: string, form: ErrorForm = runForm): Promise<JsonObject> {
  const message = 'Run "nightly-2026-11-19" not found';
  return errorExamples(form, 404, { unknownRun: issue(404, field, message, "not_found") });
}

/** What a submit can be in conflict with. */
export const usedBefore: Record<string, [field: string, message: string]> = {
  runIdTaken: ["runId", 'runId "nightly-2026-11-20" was used before with another request'],
  keyTaken: [
    "Idempotency-Key",
    'Idempotency-Key "deploy-4711" was used before with another request',
  ],
};

/** The 409 of what is asked for, by field and message, and of a `rerun` that cannot be. */
export function conflicts(
  asked: Record<string, [field: string, message: string]>,
  form: ErrorForm = runForm,
): Promise<JsonObject> {
  const all = {
    ...asked,
    runGoesOn: ["rerun", `Run "${runId}" has not ended yet`],
    allPassed: ["rerun", `Every job of run "${runId}" passed`],
  } satisfies Record<string, string[]>;
  const problems = Object.entries(all).map(([name, [field, message]]) => [
    name,
    issue(409, field!, message!, "conflict"),
  ]);
  return errorExamples(
    form,
    409,
    Object.fromEntries(problems),
    "The same `Idempotency-Key` or `runId` was used before for something else, or there is nothing to run again.",
  );
}

function issue(status: number, field: string, message: string, code: string): HttpProblem {
  return new HttpProblem(status, message, { issues: [{ path: [field], message, code }] });
}

/** The 400 of requests. */
export function wrongRequest(runner: string): Promise<JsonObject> {
  return errorExamples(runForm, 400, wrongRequests(runner));
}

/** What is wrong with requests, as the code that reads them says it. */
export function wrongRequests(runner: string): Problems {
  const uuid = (): string => "5f0c9c4e-6b1d-4d0a-9c58-0b7f9a1e2d31";
  const input = { url: "https://example.com" };
  return {
    noRunners: thrownBy(() => parseRunRequest({ mode: "remote" }, null, false)),
    wrongConcurrency: thrownBy(() =>
      parseRunRequest({ mode: "remote", runners: [{ name: runner }], concurrency: 0 }, null, false),
    ),
    noRegion: thrownBy(() =>
      planJobs({ mode: "remote", runners: [{ name: runner, input }] }, "remote", { uuid }),
    ),
    noUrl: thrownBy(() =>
      planJobs({ mode: "local", runners: [{ name: runner }] }, "local", { uuid }),
    ),
    noExecutor: badField("mode", notConfigured("redis")),
    notJson: new HttpProblem(400, "The body is not valid JSON: Unexpected end of JSON input"),
  };
}

/** The 405 of a path that only takes `POST`. */
export function onlyPost(): Promise<JsonObject> {
  return errorExamples(runForm, 405, {
    otherMethod: new HttpProblem(405, "Method not allowed. Use POST."),
  });
}

/** The 400 of a path that may mean a run or a workflow, in the form of either. */
export async function wrongIdOrWait(manifest: Manifest): Promise<JsonObject> {
  const [run, workflow] = await Promise.all([
    errorExamples(runForm, 400, { wrongWait: soon }),
    errorExamples(workflowForm, 400, { unknownWorkflow: unknownWorkflow("nope", manifest) }),
  ]);
  const examples = { ...examplesIn(run!), ...examplesIn(workflow!) };
  const schema = { anyOf: [refer("RunError"), refer("WorkflowError")] };
  return {
    description: `${String(run!.description)} What is spelled as a workflow's name is taken for one.`,
    content: { "application/json": { schema, examples } },
  };
}

function examplesIn({ content }: JsonObject): JsonObject {
  return (content as Record<string, { examples: JsonObject }>)["application/json"]!.examples;
}
