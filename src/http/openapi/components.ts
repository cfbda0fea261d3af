import * as z from "zod";
import type { JsonObject } from "../../types/index.ts";
import {
  attemptSchema,
  failurePolicySchema,
  runErrorSchema,
  runJobSchema,
  runnerResultSchema,
  runPlanSchema,
  runRequestSchema,
  runResultsSchema,
  runRunnerSchema,
  runStateSchema,
  runStatusSchema,
  runSubmittedSchema,
  summarySchema,
} from "../schemas.ts";
import {
  checkpointRequestSchema,
  checkpointSchema,
  createRunSchema,
  serviceEventSchema,
  serviceRunPageSchema,
  serviceRunSchema,
  serviceStatusSchema,
} from "../service-schemas.ts";
import {
  heartbeatSchema,
  joinedServerSchema,
  joiningServerSchema,
  serverStatusSchema,
} from "../server-schemas.ts";
import {
  jobSchema,
  startRequestSchemas,
  workflowDescriptionSchema,
  workflowEndedSchema,
  workflowErrorSchema,
  workflowListSchema,
  workflowRunningSchema,
  workflowStartedSchema,
} from "../workflow-schemas.ts";

/** A schema that every document has. */
export type ComponentName =
  | "Attempt"
  | "Checkpoint"
  | "CheckpointRequest"
  | "CreateRun"
  | "FailurePolicy"
  | "Heartbeat"
  | "Job"
  | "JoinedServer"
  | "JoiningServer"
  | "Run"
  | "RunError"
  | "RunEvent"
  | "RunJob"
  | "RunnerResult"
  | "RunPage"
  | "RunPlan"
  | "RunRequest"
  | "RunResults"
  | "RunRunner"
  | "RunState"
  | "RunStatus"
  | "RunSubmitted"
  | "ServerStatus"
  | "ServiceStatus"
  | "StartWithArgs"
  | "StartWithInput"
  | "StartWithJob"
  | "StartWithJobs"
  | "Summary"
  | "WorkflowDescription"
  | "WorkflowEnded"
  | "WorkflowError"
  | "WorkflowList"
  | "WorkflowRunning"
  | "WorkflowStarted";

const schemas: Record<ComponentName, z.ZodType> = {
  Attempt: attemptSchema,
  Checkpoint: checkpointSchema,
  CheckpointRequest: checkpointRequestSchema,
  CreateRun: createRunSchema,
  FailurePolicy: failurePolicySchema,
  Heartbeat: heartbeatSchema,
  Job: jobSchema,
  JoinedServer: joinedServerSchema,
  JoiningServer: joiningServerSchema,
  Run: serviceRunSchema,
  RunError: runErrorSchema,
  RunEvent: serviceEventSchema,
  RunJob: runJobSchema,
  RunPage: serviceRunPageSchema,
  RunnerResult: runnerResultSchema,
  RunPlan: runPlanSchema,
  RunRequest: runRequestSchema,
  RunResults: runResultsSchema,
  RunRunner: runRunnerSchema,
  RunState: runStateSchema,
  RunStatus: runStatusSchema,
  RunSubmitted: runSubmittedSchema,
  ServerStatus: serverStatusSchema,
  ServiceStatus: serviceStatusSchema,
  StartWithArgs: startRequestSchemas.args,
  StartWithInput: startRequestSchemas.input,
  StartWithJob: startRequestSchemas.job,
  StartWithJobs: startRequestSchemas.jobs,
  Summary: summarySchema,
  WorkflowDescription: workflowDescriptionSchema,
  WorkflowEnded: workflowEndedSchema,
  WorkflowError: workflowErrorSchema,
  WorkflowList: workflowListSchema,
  WorkflowRunning: workflowRunningSchema,
  WorkflowStarted: workflowStartedSchema,
};

/** The schemas that requests are validated by and answers typed by, as components that refer to each other. */
export function schemaComponents(): Record<string, JsonObject> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const { schemas: written } = z.toJSONSchema(registry, {
    // What is answered stays open, so that a field that is added breaks no client.
    io: "input",
    uri: (id) => `#/components/schemas/${id}`,
  });
  return Object.fromEntries(
    Object.entries(written).map(([name, schema]) => {
      const { $schema: _dialect, $id: _id, ...rest } = JSON.parse(JSON.stringify(schema));
      return [name, rest as JsonObject];
    }),
  );
}

/** A reference to a component's schema. */
export function refer(name: ComponentName | (string & {})): { $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}
