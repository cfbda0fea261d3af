import * as z from "zod";
import { checkpointLimits } from "../core/checkpoint.ts";
import { runModes } from "../core/run-modes.ts";
import type {
  Checkpoint,
  RunEvent,
  RunJobChange,
  RunLog,
  ServiceRun,
  ServiceStatus,
} from "../types/service.ts";
import { runRequestSchema, runStateSchema, tagsSchema } from "./schemas.ts";
import { startRequestSchemas } from "./workflow-schemas.ts";

/** Answer of `GET /runs`. */
export interface ServiceRunPage {
  /** The newest first. */
  runs: ServiceRun[];
  /** Where the next page begins; absent on the last one. */
  cursor?: string;
}

const isoTime = z.iso.datetime();
const isoMilliseconds = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  .meta({ format: "date-time" });
const object = z.record(z.string(), z.unknown());
const runId = z.string().meta({ description: "The caller's own id where there is one." });

/** A run's status, in the run service's words. */
export const serviceStatusSchema: z.ZodType<ServiceStatus> = z
  .enum(["pending", "running", "completed", "failed", "canceled"])
  .meta({ description: "A run that has timed out is `failed`." });

/** A run of any workflow. */
export const serviceRunSchema: z.ZodType<ServiceRun> = z
  .strictObject({
    id: runId,
    workflow: z.string().meta({ description: "Name of its workflow." }),
    mode: z.enum([...runModes, "workflow"]).meta({
      description: "Who executes its jobs; `workflow` for a run of a workflow other than `run`.",
    }),
    status: serviceStatusSchema,
    state: runStateSchema,
    owner: z.string().optional().meta({ description: "Who started it." }),
    metadata: object.optional().meta({ description: "What its caller keeps with it." }),
    tags: z.array(z.string()).optional(),
    error: z.string().optional().meta({ description: "Why it failed." }),
    createdAt: isoTime,
    completedAt: isoTime.optional(),
  })
  .meta({ description: "A run of any workflow." });

/** Answer of `GET /runs`. */
export const serviceRunPageSchema: z.ZodType<ServiceRunPage> = z.object({
  runs: z.array(serviceRunSchema).meta({ description: "The newest first." }),
  cursor: z.string().optional().meta({
    description: "Where the next page begins; absent on the last one.",
  }),
});

/** A checkpoint of a run. */
export const checkpointSchema: z.ZodType<Checkpoint> = z
  .strictObject({
    id: z.string(),
    runId,
    ts: isoMilliseconds.meta({
      description: "Later than that of the run's checkpoint before.",
    }),
    type: z.string(),
    data: z.unknown().optional().meta({ description: "Any JSON." }),
  })
  .meta({ description: "Something that was noted about a run." });

/** What became of a job. */
const jobChangeSchema: z.ZodType<RunJobChange> = z.strictObject({
  runId,
  jobId: z.string(),
  state: runStateSchema,
  at: isoTime,
  waiting: z.string().optional().meta({ description: "Why it waits for a server." }),
  server: z.string().optional().meta({ description: "Id of the server that answered." }),
  passed: z.boolean().optional().meta({ description: "Whether all its results are `pass`." }),
  error: z.string().optional(),
  durationMs: z.number().nonnegative().optional().meta({ description: "Milliseconds." }),
});

/** A line that a runner logged. */
const logSchema: z.ZodType<RunLog> = z.strictObject({
  runId,
  at: isoTime,
  message: z.string(),
  meta: object.optional(),
  jobId: z.string().optional(),
  runner: z.string().optional(),
});

/** A frame of the event stream under its name, with more lines where it has them. */
const frame = (event: string, data: z.ZodType, lines: z.ZodRawShape = {}): z.ZodObject =>
  z.strictObject({ event: z.literal(event), ...lines, data }).meta({ title: event });

/** A frame of a run's event stream, its data parsed. */
export const serviceEventSchema: z.ZodType<RunEvent> = z
  .union([
    frame("hello", z.strictObject({ runId })),
    frame("status", z.strictObject({ runId, status: serviceStatusSchema })),
    frame("checkpoint", checkpointSchema, {
      id: isoMilliseconds.meta({ description: "The checkpoint's `ts`." }),
    }),
    frame("job", jobChangeSchema),
    frame("log", logSchema),
    frame("ping", z.strictObject({ at: isoTime })),
  ])
  .meta({
    description: "A frame of a run's event stream, its data parsed.",
  }) as unknown as z.ZodType<RunEvent>;

/** Characters of a run's metadata as JSON: it comes with every list of runs. */
const metadataLimit = 16_384;

/** Fields of `POST /runs` beside what is to run: the one source of their validation and their JSON Schema. */
export const extrasShape: Record<"callback" | "metadata" | "workflow", z.ZodType> = {
  workflow: z.string().min(1).max(200).optional(),
  metadata: z
    .record(z.string(), z.unknown(), "must be an object")
    .refine(
      (value) => JSON.stringify(value).length <= metadataLimit,
      `must have at most ${metadataLimit} characters as JSON`,
    )
    .optional()
    .meta({
      description: `What the caller keeps with the run, at most ${metadataLimit} characters as JSON.`,
    }),
  callback: z
    .strictObject({
      url: z.url({ protocol: /^https?$/, error: "must be an absolute http(s) URL" }).max(2000),
      secret: z.string().min(16).max(500).optional().meta({
        description: "Signs what is sent; the configured one where it is absent.",
      }),
    })
    .optional()
    .meta({ description: "Where to tell of the run's end." }),
};

const { metadata, callback } = extrasShape;

/** `POST /runs` with a run request, whose fields stand beside the service's own. */
const createRegionalSchema = z
  .strictObject({
    workflow: z.literal("run").optional().meta({ description: "The same where it is absent." }),
    ...shapeOf(runRequestSchema),
    metadata,
    callback,
  })
  .meta({ title: "{runners, …}", description: "A run of runners over regions." });

/** `POST /runs` for any other workflow, by the field that holds its argument. */
const createOtherSchemas = Object.values(startRequestSchemas).map((schema) =>
  z
    .strictObject({
      workflow: z.string().min(1).max(200).meta({ description: "Name of the workflow." }),
      ...shapeOf(schema),
      tags: tagsSchema.optional(),
      metadata,
      callback,
    })
    .meta({ title: schema.meta()!.title!.replace("{", "{workflow, ") }),
);

/** Body of `POST /runs`, for the document. */
export const createRunSchema: z.ZodType = z.union([createRegionalSchema, ...createOtherSchemas]);

/** Body of a checkpoint, for the document. */
export const checkpointRequestSchema: z.ZodType = z.strictObject({
  type: z
    .string()
    .min(1)
    .max(checkpointLimits.type)
    .regex(/^[^\p{Cc}\p{Cs}]*[^\p{Cc}\p{Cs}\s][^\p{Cc}\p{Cs}]*$/u)
    .meta({ description: "Visible text." }),
  data: z
    .unknown()
    .optional()
    .meta({ description: `Any JSON of at most ${checkpointLimits.data} characters.` }),
});

function shapeOf(schema: z.ZodType): z.ZodRawShape {
  return (schema as unknown as z.ZodObject).shape;
}
