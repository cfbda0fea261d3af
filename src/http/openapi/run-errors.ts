import { planJobs } from "../../core/run-plan.ts";
import type { JsonObject, Manifest } from "../../types/index.ts";
import { HttpProblem } from "../errors.ts";
import { waitSeconds } from "../parameters.ts";
import { unknownWorkflow } from "../routes/workflows.ts";
import { parseRunFilter, parseRunRequest } from "../run-request.ts";
import { refer } from "./components.ts";
import { errorExamples, runForm, thrownBy, workflowForm } from "./errors.ts";
import { runId } from "./examples.ts";

const soon = thrownBy(() => waitSeconds("soon"));

/** The 400 of a `wait` that is none. */
export function wrongWait(): Promise<JsonObject> {
  return errorExamples(runForm, 400, { wrongWait: soon });
}

/** The 400 of a list's query. */
export function wrongFilter(): Promise<JsonObject> {
  return errorExamples(workflowForm, 400, {
    wrongLimit: thrownBy(() => parseRunFilter(new URLSearchParams({ limit: "1000" }))),
    wrongState: thrownBy(() => parseRunFilter(new URLSearchParams({ state: "done" }))),
    wrongTime: thrownBy(() => parseRunFilter(new URLSearchParams({ since: "yesterday" }))),
  });
}

/** The 404 of an id that no run has, in this field. */
export function unknownRun(field: string): Promise<JsonObject> {
  const message = 'Run "nightly-2026-11-19" not found';
  return errorExamples(runForm, 404, { unknownRun: issue(404, field, message, "not_found") });
}

/** The 409 of what is asked for, by field and message, and of a `rerun` that cannot be. */
export function conflicts(
  asked: Record<string, [field: string, message: string]>,
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
    runForm,
    409,
    Object.fromEntries(problems),
    "The same `Idempotency-Key` or `runId` was used before for something else, or there is nothing to run again.",
  );
}

function issue(status: number, field: string, message: string, code: string): HttpProblem {
  return new HttpProblem(status, message, { issues: [{ path: [field], message, code }] });
}

/** The 400 of requests, as the code that reads them says what is wrong. */
export function wrongRequest(runner: string): Promise<JsonObject> {
  const uuid = (): string => "5f0c9c4e-6b1d-4d0a-9c58-0b7f9a1e2d31";
  const input = { url: "https://example.com" };
  return errorExamples(runForm, 400, {
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
    notJson: new HttpProblem(400, "The body is not valid JSON: Unexpected end of JSON input"),
  });
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
