import type { Manifest } from "../../types/index.ts";
import { HttpProblem } from "../errors.ts";
import { refer } from "./components.ts";
import { errorExamples, sharedErrors, workflowForm } from "./errors.ts";
import { createdAt, type ExampleRunner, planExample, runId } from "./examples.ts";
import {
  aliased,
  header,
  jsonAnswer,
  jsonContent,
  objectOf,
  type Operation,
  parameter,
  type Paths,
} from "./operation.ts";
import { opsPaths } from "./ops.ts";
import { conflicts, unknownRun, usedBefore } from "./run-errors.ts";
import {
  lateCancel,
  lateCheckpoint,
  pathErrors,
  wrongCheckpoint,
  wrongFilter,
  wrongStart,
} from "./service-errors.ts";
import {
  checkpointExample,
  createExamples,
  type ExampleStart,
  listExample,
  runExample,
} from "./service-examples.ts";
import { streamOperation, tokenOperation } from "./streams.ts";

/** What the service's operations are described from. */
export interface ServiceSources {
  /** Where the API is mounted. */
  route: string;
  /** The path below which the service stands too. */
  service: string | false;
  /** With the workflow `run`. */
  manifest: Manifest;
  /** One for the examples. */
  runner: ExampleRunner;
  /** A start of one of the app's own workflows, where it has any. */
  start: ExampleStart | undefined;
  /** Whether requests need keys. */
  auth: boolean;
}

/** The run service below the API's route, and below the other path where it stands too. */
export async function servicePaths(sources: ServiceSources): Promise<Paths> {
  const { route, service } = sources;
  const main = await pathsOf(sources);
  const named = (base: string, alias?: string): Paths =>
    Object.fromEntries(
      Object.entries(main).map(([path, item]) => [
        base + path,
        Object.fromEntries(
          Object.entries(item).map(([method, operation]) => [method, aliased(operation, alias)]),
        ),
      ]),
    );
  if (service === false || service === route) return named(route);
  return { ...named(route), ...named(service, "service") };
}

async function pathsOf(sources: ServiceSources): Promise<Paths> {
  return {
    "/runs": { post: await createOperation(sources), get: await listOperation() },
    "/runs/{id}": { get: await getOperation(), delete: await cancelOperation() },
    "/runs/{id}/checkpoints": {
      get: await checkpointsOperation(),
      post: await addCheckpointOperation(),
    },
    "/runs/{id}/events": { get: await streamOperation(sources.auth) },
    "/runs/{id}/events/token": { post: await tokenOperation() },
    ...(await opsPaths()),
  };
}

const tags = ["service"];

async function createOperation({ manifest, runner, start }: ServiceSources): Promise<Operation> {
  return {
    operationId: "createRun",
    tags,
    summary: "Create a run of any workflow",
    description:
      "A run of runners over regions, or `workflow` with its argument. It is stored when it is answered, and goes on through a restart. A run over regions is only planned where neither the body nor the query names a mode. A run request may stand in `input` too, as the argument of any workflow does.",
    parameters: [parameter("Mode"), parameter("IdempotencyKey"), parameter("ActorId")],
    requestBody: {
      content: jsonContent(refer("CreateRun"), createExamples(runner, start)),
    },
    responses: {
      200: {
        description: "What the run would be. Nothing was started.",
        content: jsonContent(refer("RunPlan"), { planned: planExample(runner.name) }),
      },
      201: {
        description: "The run's id.",
        headers: { Location: header("Location") },
        content: jsonContent(refer("RunSubmitted"), { created: { runId } }),
      },
      400: await wrongStart(runner.name, manifest),
      404: await unknownRun("rerun", workflowForm),
      409: await conflicts(usedBefore, workflowForm),
      501: await errorExamples(workflowForm, 501, {
        notCompiled: new HttpProblem(
          501,
          '"checkAll" cannot be started: the engine has not compiled it.',
        ),
      }),
      ...sharedErrors(workflowForm, [403, 413, 415]),
      ...(await pathErrors(["GET", "POST"])),
    },
  };
}

async function listOperation(): Promise<Operation> {
  const text = { type: "string" };
  const times = "an ISO time, or milliseconds since 1970";
  const query = (name: string, description: string, schema: object, example?: unknown): object => ({
    name,
    in: "query",
    description,
    schema,
    ...(example !== undefined && { example }),
  });
  return {
    operationId: "listRuns",
    tags,
    summary: "List runs",
    description: "Those of all workflows, the newest first.",
    parameters: [
      query("workflow", "Only those of this workflow; `run` is that of the run routes.", text),
      query("state", "Only those in this state.", refer("RunState")),
      query("tag", "Only those with this tag.", text, "nightly"),
      query("owner", "Only those that this owner started.", text, "ci"),
      query("since", `Only those created at this time or later: ${times}.`, text, createdAt),
      query("until", `Only those created before this time: ${times}.`, text),
      query("limit", "How many at most.", {
        type: "integer",
        minimum: 1,
        maximum: 100,
        default: 20,
      }),
      query("cursor", "The `cursor` of the page before.", text),
    ],
    responses: {
      200: jsonAnswer("One page of them.", refer("RunPage"), { page: listExample }),
      400: await wrongFilter(),
      ...(await pathErrors(["GET", "POST"])),
    },
  };
}

async function getOperation(): Promise<Operation> {
  return {
    operationId: "getRun",
    tags,
    summary: "Get a run",
    description: "What it is and how it stands. `getRunResults` has the jobs of one over regions.",
    parameters: [parameter("Id")],
    responses: {
      200: jsonAnswer("The run.", objectOf({ run: refer("Run") }), { run: { run: runExample } }),
      ...(await pathErrors(["GET", "DELETE"], { id: true })),
    },
  };
}

async function cancelOperation(): Promise<Operation> {
  const canceled = { type: "string", const: "canceled" };
  return {
    operationId: "cancelRun",
    tags,
    summary: "Cancel a run",
    description:
      "The workflow stops, attempts in flight are aborted, and jobs that have not ended are `cancelled`. Once more does nothing and is answered alike.",
    parameters: [parameter("Id")],
    responses: {
      200: jsonAnswer("It is canceled.", objectOf({ ok: { const: true }, status: canceled }), {
        canceled: { ok: true, status: "canceled" },
      }),
      409: await lateCancel(),
      ...sharedErrors(workflowForm, [403]),
      ...(await pathErrors(["GET", "DELETE"], { id: true })),
    },
  };
}

async function checkpointsOperation(): Promise<Operation> {
  const checkpoints = { type: "array", items: refer("Checkpoint") };
  return {
    operationId: "listCheckpoints",
    tags,
    summary: "List a run's checkpoints",
    description: "All of them, ascending.",
    parameters: [parameter("Id")],
    responses: {
      200: jsonAnswer("The checkpoints.", objectOf({ runId: { type: "string" }, checkpoints }), {
        checkpoints: { runId, checkpoints: [checkpointExample] },
      }),
      ...(await pathErrors(["GET", "POST"], { id: true })),
    },
  };
}

async function addCheckpointOperation(): Promise<Operation> {
  const { type, data, id: checkpointId } = checkpointExample;
  return {
    operationId: "addCheckpoint",
    tags,
    summary: "Add a checkpoint to a run",
    description:
      "Answered when it is stored. A workflow that waits for one of this type (`awaitCheckpoint`) goes on.",
    parameters: [parameter("Id")],
    requestBody: {
      required: true,
      content: jsonContent(refer("CheckpointRequest"), { approved: { type, data } }),
    },
    responses: {
      201: jsonAnswer("Its id.", objectOf({ checkpointId: { type: "string" } }), {
        added: { checkpointId },
      }),
      400: await wrongCheckpoint(),
      409: await lateCheckpoint(),
      ...sharedErrors(workflowForm, [403, 413, 415]),
      ...(await pathErrors(["GET", "POST"], { id: true })),
    },
  };
}
