import * as z from "zod";
import { runLimits } from "../core/run-limits.ts";
import { runModes } from "../core/run-modes.ts";
import type { ValidationIssue } from "../types/manifest.ts";
import type {
  Attempt,
  FailurePolicy,
  PlanStep,
  RunJob,
  RunnerMatrix,
  RunPlan,
  RunRequest,
  RunResults,
  RunRunner,
  RunStateName,
  RunStatus,
  Summary,
} from "../types/run.ts";
import type { RunnerResult } from "../types/runner.ts";

/** Answer of a submitted run. */
export interface RunSubmitted {
  runId: string;
}

/** Code of an error of the run routes. */
export type RunErrorCode =
  | "BAD_REQUEST"
  | "CONFLICT"
  | "FORBIDDEN"
  | "INTERNAL_SERVER_ERROR"
  | "METHOD_NOT_ALLOWED"
  | "NOT_FOUND"
  | "PAYLOAD_TOO_LARGE"
  | "SERVICE_UNAVAILABLE"
  | "UNSUPPORTED_MEDIA_TYPE";

/** Body of every error of the run routes. */
export interface RunErrorBody {
  defined: false;
  code: RunErrorCode;
  /** The HTTP status. */
  status: number;
  /** Names the field, where there is one. */
  message: string;
  data: { issues: ValidationIssue[] };
}

/** Visible text: no control characters and no half characters, which no storage keeps. */
const text = (max: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, "must not contain control characters");

const object = z.record(z.string(), z.unknown(), "must be an object");
const count = z.int().nonnegative();
const isoTime = z.iso.datetime();
const milliseconds = z.number().nonnegative().meta({ description: "Milliseconds." });
const region = text(runLimits.name);
const regions = z.array(region).min(1).max(runLimits.regions);

/** All states of a run and of a job. */
export const runStateSchema: z.ZodType<RunStateName> = z.enum([
  "queued",
  "running",
  "completed",
  "failed",
  "timed_out",
  "cancelled",
]);

/** Texts to find a run by. */
export const tagsSchema: z.ZodType<string[]> = z.array(text(runLimits.tag)).max(runLimits.tags);

/** One runner of a request. */
export const runRunnerSchema: z.ZodType<RunRunner> = z.strictObject({
  name: text(runLimits.name),
  region: region.optional().meta({
    description: "Region whose servers or workers execute it; `remote` needs this or `regions`.",
  }),
  regions: regions.optional().meta({
    description: "The same runner in each of these regions, instead of `region`.",
  }),
  input: object.optional().meta({
    description: "Its input; `input.url` is the absolute URL under test.",
  }),
});

/** When a run counts as completed. */
export const failurePolicySchema: z.ZodType<FailurePolicy> = z
  .union(
    [
      z.enum(["all", "any"]),
      z.strictObject({ allowFailures: count }),
      z.strictObject({ quorum: z.int().positive() }),
    ],
    { error: "must be 'all', 'any', {allowFailures: 0 or more} or {quorum: 1 or more}" },
  )
  .meta({
    description:
      "When the run counts as completed: every job passes, one does, all but `allowFailures` do, or `quorum` of them do. Without one, a failing result does not fail the run.",
  });

/** Body of a submit: the one source of its validation and of its JSON Schema. */
export const runRequestSchema: z.ZodType<RunRequest> = z
  .strictObject({
    runners: z.array(runRunnerSchema).min(1).max(runLimits.runners).optional().meta({
      description: "What to execute; left out with `rerun`.",
    }),
    regions: regions.optional().meta({
      description: "Every runner in each of these regions, unless it names its own.",
    }),
    mode: z
      .enum([...runModes, "plan"])
      .optional()
      .meta({
        description:
          "`remote`: by the servers of each region. `local`: by this process. `redis`, `postgres`, `k8s`: by workers that pull them, where that executor is configured. `plan`: starts nothing and answers with the jobs.",
      }),
    concurrency: z.int().positive().optional().meta({
      description: "Jobs in flight at once; unlimited when absent, 1 is sequential.",
    }),
    timeout: z.int().positive().max(runLimits.timeout).optional().meta({
      description: "Milliseconds for the whole run.",
    }),
    tags: tagsSchema.optional(),
    runId: z
      .string()
      .min(1)
      .max(runLimits.runId)
      .regex(/^[A-Za-z0-9._~-]*$/, "must consist of letters, digits and . _ ~ -")
      .optional()
      .meta({ description: "The caller's own id, used in every URL." }),
    failurePolicy: failurePolicySchema.optional(),
    rerun: z.string().min(1).max(runLimits.runId).optional().meta({
      description:
        "Id of an ended run, instead of `runners`: its jobs that did not pass are run again.",
    }),
  })
  .meta({ description: "A run of runners over regions." });

/** One result of a runner. */
export const runnerResultSchema: z.ZodType<RunnerResult> = z.object({
  name: z.string(),
  status: z.enum(["pass", "fail", "error"]).meta({
    description: "`error` means that the runner threw, timed out or answered nonsense.",
  }),
  details: object.optional(),
  errorMessage: z.string().optional(),
  durationMs: milliseconds.optional(),
});

/** One try of a job on one server. */
export const attemptSchema: z.ZodType<Attempt> = z.object({
  number: z.int().positive().meta({ description: "1 for the first try." }),
  server: z.string(),
  startedAt: isoTime,
  durationMs: milliseconds,
  outcome: z.enum(["answered", "failed"]),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});

const summaryShape = { total: count, passed: count, failed: count, errored: count };

/** Results counted by status. */
export const summarySchema: z.ZodType<Summary> = z.object(summaryShape);

const runnerMatrixSchema: z.ZodType<RunnerMatrix> = z.record(
  z.string(),
  z.record(z.string(), summarySchema),
);

/** One job of a run. */
export const runJobSchema: z.ZodType<RunJob> = z.object({
  jobId: z.string().meta({ description: "`job_<uuid>`" }),
  url: z.string().optional(),
  region: z.string().optional(),
  state: runStateSchema,
  server: z.string().optional().meta({ description: "Id of the server that answered." }),
  results: z.array(runnerResultSchema),
  error: z.string().optional(),
  attempts: z.array(attemptSchema).optional(),
  waiting: z.string().optional().meta({ description: "Why it waits for a server, while it does." }),
  startedAt: isoTime.optional(),
  completedAt: isoTime.optional(),
  durationMs: milliseconds.optional(),
});

/** Answer of a submit. */
export const runSubmittedSchema: z.ZodType<RunSubmitted> = z.object({ runId: z.string() });

/** Answer of `GET /{id}/status`. */
export const runStatusSchema: z.ZodType<RunStatus> = z.object({
  runId: z.string(),
  state: runStateSchema,
  totalJobs: count,
  completedJobs: count.meta({ description: "Jobs whose server answered with results." }),
  failedJobs: count.meta({ description: "Jobs that failed or timed out." }),
  createdAt: isoTime,
  updatedAt: isoTime,
  tags: z.array(z.string()).optional(),
});

/** Answer of `GET /{id}`. */
export const runResultsSchema: z.ZodType<RunResults> = z.object({
  runId: z.string(),
  state: runStateSchema,
  jobs: z.array(runJobSchema).meta({ description: "In insertion order." }),
  summary: summarySchema,
  outcome: z.enum(["pass", "partial", "fail"]).optional().meta({
    description: "Over the regions, once the run has ended: all, some or none of them passed.",
  }),
  regions: z.record(z.string(), z.object({ ...summaryShape, jobs: count, failedJobs: count })),
  runners: runnerMatrixSchema.meta({ description: "Summaries by runner, then by region." }),
  tags: z.array(z.string()).optional(),
  error: z.string().optional(),
  createdAt: isoTime,
  completedAt: isoTime.optional(),
  durationMs: milliseconds.optional(),
});

const planStepSchema: z.ZodType<PlanStep> = z.object({
  jobId: z.string(),
  url: z.string(),
  region: z.string().optional(),
  runners: z.array(z.string()),
  shard: count.meta({ description: "Jobs of one shard are executed by one durable step." }),
  server: z.string().optional().meta({
    description: "Id of the server it would go to now; where workers pull, of the region's queue.",
  }),
  reason: z.string().optional().meta({ description: "Why there is no server." }),
});

/** Answer of a plan. */
export const runPlanSchema: z.ZodType<RunPlan> = z.object({
  mode: z.literal("plan"),
  plan: z.object({
    mode: z.enum(runModes),
    totalJobs: count,
    shards: count,
    concurrency: z.int().positive().optional(),
    steps: z.array(planStepSchema),
  }),
});

/** Body of every error of the run routes. */
export const runErrorSchema: z.ZodType<RunErrorBody> = z.object({
  defined: z.literal(false),
  code: z.enum([
    "BAD_REQUEST",
    "CONFLICT",
    "FORBIDDEN",
    "INTERNAL_SERVER_ERROR",
    "METHOD_NOT_ALLOWED",
    "NOT_FOUND",
    "PAYLOAD_TOO_LARGE",
    "SERVICE_UNAVAILABLE",
    "UNSUPPORTED_MEDIA_TYPE",
  ]),
  status: z.int().meta({ description: "The HTTP status." }),
  message: z.string().meta({ description: "Names the field, where there is one." }),
  data: z.object({
    issues: z.array(
      z.object({
        path: z.array(z.union([z.string(), z.number()])),
        message: z.string(),
        code: z.string().optional(),
      }),
    ),
  }),
});
