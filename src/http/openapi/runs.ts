import type { JsonObject, Manifest } from "../../types/index.ts";
import { refer } from "./components.ts";
import { runForm, sharedErrors, workflowForm } from "./errors.ts";
import {
  planExample,
  requestExamples,
  resultsExample,
  runId,
  statusExample,
  type ExampleRunner,
} from "./examples.ts";
import {
  aliased,
  header,
  jsonContent,
  parameter,
  type Operation,
  type Paths,
} from "./operation.ts";
import {
  conflicts,
  onlyPost,
  unknownRun,
  usedBefore,
  wrongIdOrWait,
  wrongRequest,
  wrongWait,
} from "./run-errors.ts";

/** The run routes below `route`; `runner` is one for the examples. */
export async function runPaths(
  route: string,
  manifest: Manifest,
  runner: ExampleRunner,
): Promise<Paths> {
  const submitRun = await submitOperation(runner);
  const getRunStatus = await statusOperation();
  const getRunResults = await resultsOperation(runner.name);
  const family = (prefix: string, alias?: string): Paths => ({
    [prefix || "/"]: { post: aliased(submitRun, alias) },
    [`${prefix}/{id}/status`]: { get: aliased(getRunStatus, alias) },
    [`${prefix}/{id}`]: { get: aliased(getRunResults, alias) },
  });
  const main = family(route);
  const orchestrator = family(`${route}/orchestrator`, "orchestrator");
  const post = { 405: await onlyPost() };
  return {
    ...main,
    // There an id may be a workflow's name too.
    [`${route}/{id}`]: {
      get: answering(getRunResults, {
        400: await wrongIdOrWait(manifest),
        ...sharedErrors(workflowForm, [405]),
      }),
    },
    [`${route}/plan`]: { post: answering(await planOperation(runner), post) },
    ...family(`${route}/run`, "run"),
    ...orchestrator,
    [`${route}/orchestrator`]: { post: answering(aliased(submitRun, "orchestrator"), post) },
  };
}

/** The operation with other responses under some statuses. */
function answering(operation: Operation, responses: JsonObject): Operation {
  return { ...operation, responses: { ...(operation.responses as JsonObject), ...responses } };
}

async function submitOperation(runner: ExampleRunner): Promise<Operation> {
  return {
    operationId: "submitRun",
    tags: ["runs"],
    summary: "Submit a run",
    description:
      "Answers at once: the run is stored, and goes on through a restart. In `remote` mode each url and region is a job, which a server of the region executes; in `local` mode each url is one, which this process executes. In the modes `redis`, `postgres` and `k8s` each url and region is a job that a worker pulls; without a region it waits for one that has none. A check that fails is a result and does not fail the run, unless `failurePolicy` says so.",
    parameters: [parameter("Mode"), parameter("IdempotencyKey"), parameter("ActorId")],
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
          { submitted: { runId }, planned: planExample(runner.name) },
        ),
      },
      400: await wrongRequest(runner.name),
      404: await unknownRun("rerun"),
      409: await conflicts(usedBefore),
      ...sharedErrors(workflowForm, [403, 405]),
      ...sharedErrors(runForm, [413, 415, 500]),
    },
  };
}

async function planOperation(runner: ExampleRunner): Promise<Operation> {
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
        content: jsonContent(refer("RunPlan"), { planned: planExample(runner.name) }),
      },
      400: await wrongRequest(runner.name),
      404: await unknownRun("rerun"),
      409: await conflicts({}),
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
      400: await wrongWait(),
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
      400: await wrongWait(),
      404: await unknownRun("runId"),
      ...sharedErrors(runForm, [405, 500]),
    },
  };
}
