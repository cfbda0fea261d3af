import { planJobs } from "../../core/run-plan.ts";
import type { JsonObject } from "../../types/index.ts";
import { HttpProblem } from "../errors.ts";
import { waitSeconds } from "../parameters.ts";
import { parseRunFilter, parseRunRequest } from "../run-request.ts";
import { refer } from "./components.ts";
import {
  errorExamples,
  runForm,
  sharedErrors,
  thrownBy,
  workflowForm,
  type Problems,
} from "./errors.ts";
import {
  listExample,
  planExample,
  requestExamples,
  resultsExample,
  runId,
  statusExample,
} from "./examples.ts";
import { header, jsonContent, parameter, type Operation, type Paths } from "./operation.ts";

/** The run routes below `route`; `runner` is a name for the examples. */
export async function runPaths(route: string, runner: string): Promise<Paths> {
  const submitRun = await submitOperation(runner);
  const getRunStatus = await statusOperation();
  const getRunResults = await resultsOperation(runner);
  const family = (prefix: string, alias?: string): Paths => ({
    [prefix || "/"]: { post: aliased(submitRun, alias) },
    [`${prefix}/{id}/status`]: { get: aliased(getRunStatus, alias) },
    [`${prefix}/{id}`]: { get: aliased(getRunResults, alias) },
  });
  return {
    ...family(route),
    [`${route}/plan`]: { post: await planOperation(runner) },
    [`${route}/runs`]: { get: await listOperation() },
    ...family(`${route}/run`, "run"),
    ...family(`${route}/orchestrator`, "orchestrator"),
  };
}

/** The operation as it is, or as another path of it. */
function aliased(operation: Operation, alias: string | undefined): Operation {
  if (alias === undefined) return operation;
  const { operationId, summary, description: _same, ...rest } = operation;
  return {
    ...rest,
    operationId: `${operationId}_${alias}`,
    summary: `${summary} (another path of ${operationId})`,
    tags: ["aliases"],
    "x-alias-of": operationId,
  };
}

async function submitOperation(runner: string): Promise<Operation> {
  return {
    operationId: "submitRun",
    tags: ["runs"],
    summary: "Submit a run",
    description:
      "Answers at once: the run is stored, and goes on through a restart. In `remote` mode each url and region is a job, which a server of the region executes; in `local` mode each url is one, which this process executes. A check that fails is a result and does not fail the run, unless `failurePolicy` says so.",
    parameters: [
      {
        name: "mode",
        in: "query",
        description: "Stands in for a body without a mode; `plan` goes with any.",
        schema: { type: "string", enum: ["local", "remote", "plan"] },
      },
      parameter("IdempotencyKey"),
    ],
    requestBody: {
      required: true,
      content: jsonContent(refer("RunRequest"), requestExamples(runner)),
    },
    responses: {
      200: {
        description: "The run's id; in `plan` mode what it would be.",
        headers: { Location: header("Location") },
        content: jsonContent(
          { anyOf: [refer("RunSubmitted"), refer("RunPlan")] },
          { submitted: { runId }, planned: planExample(runner) },
        ),
      },
      400: await errorExamples(runForm, 400, requestProblems(runner)),
      404: await unknownRun("rerun"),
      409: await conflicts({
        runIdTaken: ["runId", 'runId "nightly-2026-11-20" was used before with another request'],
        keyTaken: [
          "Idempotency-Key",
          'Idempotency-Key "deploy-4711" was used before with another request',
        ],
      }),
      ...sharedErrors(workflowForm, [403, 405]),
      ...sharedErrors(runForm, [413, 415, 500]),
    },
  };
}

async function planOperation(runner: string): Promise<Operation> {
  return {
    operationId: "planRun",
    tags: ["runs"],
    summary: "Plan a run",
    description:
      "The jobs that a request would have, and the server each would go to now. Nothing is started.",
    requestBody: {
      required: true,
      content: jsonContent(refer("RunRequest"), requestExamples(runner)),
    },
    responses: {
      200: {
        description: "The jobs, in the order in which they would be begun.",
        content: jsonContent(refer("RunPlan"), { planned: planExample(runner) }),
      },
      400: await errorExamples(runForm, 400, requestProblems(runner)),
      404: await unknownRun("rerun"),
      409: await conflicts({}),
      405: await errorExamples(runForm, 405, {
        otherMethod: new HttpProblem(405, "Method not allowed. Use POST."),
      }),
      ...sharedErrors(workflowForm, [403]),
      ...sharedErrors(runForm, [413, 415, 500]),
    },
  };
}

async function statusOperation(): Promise<Operation> {
  return {
    operationId: "getRunStatus",
    tags: ["runs"],
    summary: "See how far a run is",
    description: "Counts of its jobs, as they are now.",
    parameters: [parameter("Id"), parameter("Wait")],
    responses: {
      200: {
        description: "The run's state and counts.",
        content: jsonContent(refer("RunStatus"), { running: statusExample }),
      },
      400: await errorExamples(runForm, 400, { wrongWait }),
      404: await unknownRun("runId"),
      ...sharedErrors(runForm, [405, 500]),
    },
  };
}

async function resultsOperation(runner: string): Promise<Operation> {
  return {
    operationId: "getRunResults",
    tags: ["runs"],
    summary: "Get a run's results",
    description: "Also while it runs, with what is there so far. `outcome` comes with its end.",
    parameters: [parameter("Id"), parameter("Wait")],
    responses: {
      200: {
        description: "Every job with its results and attempts, and what they add up to.",
        content: jsonContent(refer("RunResults"), { partial: resultsExample(runner) }),
      },
      400: await errorExamples(runForm, 400, { wrongWait }),
      404: await unknownRun("runId"),
      ...sharedErrors(runForm, [405, 500]),
    },
  };
}

async function listOperation(): Promise<Operation> {
  const text = { type: "string" };
  const query = (name: string, description: string, schema: object, example?: unknown): object => ({
    name,
    in: "query",
    description,
    schema,
    ...(example !== undefined && { example }),
  });
  return {
    operationId: "listRuns",
    tags: ["runs"],
    summary: "List runs",
    description: "Those of all workflows, the newest first.",
    parameters: [
      query("workflow", "Only those of this workflow; `run` is that of the run routes.", text),
      query("state", "Only those in this state.", refer("RunState")),
      query("tag", "Only those with this tag.", text, "nightly"),
      query("limit", "How many at most.", {
        type: "integer",
        minimum: 1,
        maximum: 100,
        default: 20,
      }),
      query("cursor", "The `cursor` of the page before.", text),
    ],
    responses: {
      200: {
        description: "One page of them.",
        content: jsonContent(refer("RunList"), { page: listExample }),
      },
      400: await errorExamples(runForm, 400, {
        wrongLimit: thrownBy(() => parseRunFilter(new URLSearchParams({ limit: "1000" }))),
        wrongState: thrownBy(() => parseRunFilter(new URLSearchParams({ state: "done" }))),
      }),
      ...sharedErrors(runForm, [405, 500]),
    },
  };
}

const wrongWait = thrownBy(() => waitSeconds("soon"));

function unknownRun(field: string): Promise<JsonObject> {
  const message = 'Run "nightly-2026-11-19" not found';
  return errorExamples(runForm, 404, { unknownRun: issue(404, field, message, "not_found") });
}

/** The 409 of what is asked for, by field and message, and of a `rerun` that cannot be. */
function conflicts(asked: Record<string, [field: string, message: string]>): Promise<JsonObject> {
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

/** What is wrong with requests, as the code that reads them says it. */
function requestProblems(runner: string): Problems {
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
    notJson: new HttpProblem(400, "The body is not valid JSON: Unexpected end of JSON input"),
  };
}
