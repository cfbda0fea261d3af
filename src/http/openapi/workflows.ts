import { runWorkflow } from "../../core/run-workflow.ts";
import type { JsonObject, Manifest, WorkflowEntry } from "../../types/index.ts";
import { HttpProblem } from "../errors.ts";
import { waitSeconds } from "../parameters.ts";
import { listWorkflows, unknownWorkflow } from "../routes/workflows.ts";
import { badField } from "../start-request.ts";
import { refer } from "./components.ts";
import { errorExamples, sharedErrors, thrownBy, workflowForm } from "./errors.ts";
import { runId } from "./examples.ts";
import { header, jsonContent, parameter, type Operation, type Paths } from "./operation.ts";

/** A discovered workflow with what its document needs. */
export interface DescribedWorkflow {
  entry: WorkflowEntry;
  endpoint: string;
  /** The component with its input schema, where it has one, and an input. */
  input?: { component: string; sample: unknown };
}

/** The routes that are there whatever workflows there are: all of them, and one by its name. */
export async function workflowPaths(route: string, manifest: Manifest): Promise<Paths> {
  return {
    [route || "/"]: { get: await listOperation(route, manifest) },
    [`${route}/{id}`]: { post: await startByName(manifest) },
  };
}

/** Start and poll of one workflow. */
export async function workflowOperations(
  workflow: DescribedWorkflow,
): Promise<{ post: Operation; get: Operation }> {
  return { post: await startOperation(workflow), get: await pollOperation(workflow) };
}

async function listOperation(route: string, manifest: Manifest): Promise<Operation> {
  const workflows: unknown = await listWorkflows(route, manifest).json();
  return {
    operationId: "listWorkflows",
    tags: ["workflows"],
    summary: "List the workflows",
    responses: {
      200: {
        description: "The discovered workflows and how to start one.",
        content: jsonContent(refer("WorkflowList"), { workflows }),
      },
      ...sharedErrors(workflowForm, [405, 500]),
    },
  };
}

async function startByName(manifest: Manifest): Promise<Operation> {
  const name = manifest.workflows[0]?.name ?? "myWorkflow";
  return {
    operationId: "startWorkflow",
    tags: ["workflows"],
    summary: "Start a workflow by its name",
    description: "Each workflow's own operation says what it takes.",
    parameters: [
      {
        name: "id",
        in: "path",
        required: true,
        description: "The workflow's name.",
        schema: { type: "string" },
        example: name,
      },
      parameter("IdempotencyKey"),
      parameter("ActorId"),
    ],
    requestBody: { content: jsonContent(anyBody("unknown"), bodyExamples("unknown")) },
    responses: {
      200: started(name),
      400: await errorExamples(workflowForm, 400, {
        unknownWorkflow: unknownWorkflow("nope", manifest),
        wrongJobs: badField("jobs", "must be an array of jobs"),
      }),
      ...(await startErrors(name)),
    },
  };
}

async function startOperation({ entry, input }: DescribedWorkflow): Promise<Operation> {
  const { name, accepts, description } = entry;
  return {
    operationId: `start_${name}`,
    tags: ["workflows"],
    summary: `Start ${name}`,
    ...(description && { description }),
    parameters: [parameter("IdempotencyKey"), parameter("ActorId")],
    requestBody: {
      required: input !== undefined || accepts === "job",
      content:
        input === undefined
          ? jsonContent(anyBody(accepts), bodyExamples(accepts))
          : jsonContent(inputBody(input.component), inputExamples(input.sample)),
    },
    responses: {
      200: started(name),
      400: await errorExamples(workflowForm, 400, {
        wrongField:
          input === undefined
            ? badField("jobs", "must be an array of jobs")
            : new HttpProblem(400, "Input validation failed", {
                issues: [{ path: ["input"], message: "Invalid input: expected object" }],
              }),
      }),
      ...(await startErrors(name)),
    },
  };
}

async function startErrors(name: string): Promise<JsonObject> {
  return {
    409: await errorExamples(workflowForm, 409, {
      keyReused: new HttpProblem(
        409,
        'Idempotency-Key "deploy-4711" was used before with another workflow or body',
      ),
    }),
    501: await errorExamples(workflowForm, 501, {
      notCompiled: new HttpProblem(
        501,
        `"${name}" cannot be started: the engine has not compiled it.`,
      ),
    }),
    ...sharedErrors(workflowForm, [403, 405, 413, 415, 500]),
  };
}

async function pollOperation({ entry, endpoint, input }: DescribedWorkflow): Promise<Operation> {
  const { name, accepts, file, line, description, parameters } = entry;
  const described = {
    name,
    endpoint,
    file,
    line,
    ...(description && { description }),
    parameters,
    body: input ? "input" : accepts === "unknown" ? "jobs, job, input or args" : accepts,
    ...(entry === runWorkflow && { body: "runners" }),
    ...(!entry.workflowId && { startable: false }),
  };
  return {
    operationId: `poll_${name}`,
    tags: ["workflows"],
    summary: `Poll a run of ${name}`,
    description: "Without a `runId`: what the workflow is and takes.",
    parameters: [
      {
        name: "runId",
        in: "query",
        description: "The run that is asked for.",
        schema: { type: "string" },
        example: runId,
      },
      parameter("Wait"),
    ],
    responses: {
      200: {
        description: "What the workflow returned, or its description where there is no `runId`.",
        content: jsonContent(
          { anyOf: [refer("WorkflowDescription"), { description: "Whatever it returns." }] },
          { description: described, returned: { checked: 2, passed: true } },
        ),
      },
      202: {
        description: "The run has not ended.",
        headers: { "Retry-After": header("RetryAfter") },
        content: jsonContent(refer("WorkflowRunning"), { running: { status: "running", runId } }),
      },
      400: await errorExamples(workflowForm, 400, {
        wrongWait: thrownBy(() => waitSeconds("soon")),
      }),
      404: await errorExamples(workflowForm, 404, {
        unknownRun: new HttpProblem(404, `Run "${runId}" of orchestrator "${name}" not found`, {
          runId,
        }),
      }),
      ...endedResponses(),
      ...sharedErrors(workflowForm, [405]),
    },
  };
}

/** A run that ended without a value to answer with. */
function endedResponses(): JsonObject {
  const ended = (description: string, status: string, error: string): JsonObject => ({
    description,
    content: jsonContent(refer("WorkflowEnded"), { [status]: { status, runId, error } }),
  });
  return {
    409: ended("The run was cancelled.", "cancelled", "The run was cancelled"),
    500: ended("The run failed.", "failed", "No runner servers available for region mars"),
  };
}

function started(orchestrator: string): JsonObject {
  return {
    description: "The run is stored, and goes on through a restart.",
    headers: { Location: header("Location") },
    content: jsonContent(refer("WorkflowStarted"), {
      started: { runId, orchestrator, status: "started" },
    }),
  };
}

const kinds = {
  jobs: ["StartWithJobs", "StartWithJob", "StartWithInput", "StartWithArgs"],
  job: ["StartWithJob", "StartWithJobs", "StartWithInput", "StartWithArgs"],
  unknown: ["StartWithInput", "StartWithArgs", "StartWithJobs", "StartWithJob"],
};

function anyBody(accepts: WorkflowEntry["accepts"]): JsonObject {
  return { anyOf: kinds[accepts].map(refer) };
}

/** Bodies that start a workflow without an input schema, by name. */
export function bodyExamples(accepts: WorkflowEntry["accepts"]): Record<string, unknown> {
  const job = { url: "https://example.com", runners: ["checkTitle"], region: "us-east-1" };
  if (accepts === "job") return { job: { job } };
  if (accepts === "jobs") return { jobs: { jobs: [job] }, job: { job } };
  return { input: { input: { url: "https://example.com" } }, jobs: { jobs: [job] } };
}

function inputExamples(input: unknown): Record<string, unknown> | undefined {
  return input === undefined ? undefined : { input: { input } };
}

function inputBody(component: string): JsonObject {
  return {
    type: "object",
    required: ["input"],
    properties: {
      input: refer(component),
      options: { type: "object", description: "Passed on to the workflow." },
    },
    additionalProperties: false,
  };
}
