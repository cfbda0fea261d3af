import * as z from "zod";

const object = z.record(z.string(), z.unknown());
const issue = z.object({
  path: z.array(z.union([z.string(), z.number()])),
  message: z.string(),
  code: z.string().optional(),
});

/** A job as workflows get it; what else one carries is between the caller and the workflow. */
export const jobSchema: z.ZodType = z
  .looseObject({
    id: z.string().optional().meta({ description: "Unique within a run; made up when absent." }),
    url: z.string().optional().meta({
      description: "Absolute URL of the page or service under test, never of a runner server.",
    }),
    runners: z
      .array(z.union([z.string(), z.object({ name: z.string(), input: object.optional() })]))
      .optional(),
    region: z.string().optional().meta({
      description: "Region whose servers may take the job; any when absent.",
    }),
    input: object.optional().meta({
      description: "Input for all runners of the job; a runner's own input wins.",
    }),
    timeout: z.int().positive().optional().meta({
      description: "Milliseconds one attempt may take.",
    }),
  })
  .meta({ description: "One (url, region) group of runners." });

const options = object.optional().meta({
  description: "Passed on to the workflow, which gets `registry` and `loadBalancer` in it too.",
});

/** The bodies that start a workflow without an input schema, by the field that holds its argument. */
export const startRequestSchemas: Record<"args" | "input" | "job" | "jobs", z.ZodType> = {
  jobs: z.strictObject({ jobs: z.array(jobSchema), options }).meta({ title: "{jobs, options?}" }),
  job: z.strictObject({ job: jobSchema, options }).meta({ title: "{job, options?}" }),
  input: z.strictObject({ input: z.unknown(), options }).meta({ title: "{input, options?}" }),
  args: z
    .strictObject({
      args: z.array(z.unknown()).meta({ description: "The arguments, as they are." }),
    })
    .meta({ title: "{args}" }),
};

/** Answer of `GET` on the API's root. */
export const workflowListSchema: z.ZodType = z.object({
  orchestrators: z.array(z.string()).meta({ description: "Names of the workflows." }),
  usage: z.object({ method: z.literal("POST"), endpoint: z.string() }),
  workflows: z.array(
    z.object({
      name: z.string(),
      endpoint: z.string(),
      file: z.string(),
      description: z.string().optional(),
      startable: z.literal(false).optional().meta({
        description: "Only where the engine has not compiled it.",
      }),
    }),
  ),
});

/** Answer of `GET /{name}` without a `runId`. */
export const workflowDescriptionSchema: z.ZodType = z.object({
  name: z.string(),
  endpoint: z.string(),
  file: z.string().meta({ description: "From the app's root." }),
  line: z.int().positive(),
  description: z.string().optional(),
  parameters: z.array(z.string()),
  body: z.string().meta({ description: "The fields that a body may hold its argument in." }),
  input: object.optional().meta({ description: "JSON Schema of `input`, where it has one." }),
  startable: z.literal(false).optional(),
});

/** Answer of a started workflow. */
export const workflowStartedSchema: z.ZodType = z.object({
  runId: z.string(),
  orchestrator: z.string(),
  status: z.literal("started"),
});

/** Answer of `GET /{name}?runId=` while the run has not ended. */
export const workflowRunningSchema: z.ZodType = z.object({
  status: z.literal("running"),
  runId: z.string(),
});

/** Answer of `GET /{name}?runId=` where there is no return value to answer with. */
export const workflowEndedSchema: z.ZodType = z.object({
  status: z.enum(["failed", "cancelled", "completed"]).meta({
    description: "`completed` where the return value cannot be written as JSON.",
  }),
  runId: z.string(),
  error: z.string(),
});

/** Body of the errors of the workflow routes. */
export const workflowErrorSchema: z.ZodType = z.looseObject({
  error: z.string(),
  issues: z.array(issue).optional().meta({ description: "Which fields are wrong, and why." }),
  availableOrchestrators: z.array(z.string()).optional(),
  limit: z.int().optional().meta({ description: "Bytes that a body may have." }),
  runId: z.string().optional(),
});
