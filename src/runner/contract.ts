import * as z from "zod";
import { checkpointLimits } from "../core/checkpoint.ts";
import { eventLimits } from "../core/runner-events.ts";
import type { RunnerEvent, RunnerExecuteReply, RunnerExecuteRequest } from "../types/index.ts";

/** Code of every error that the runner server answers with. */
export type RunnerErrorCode =
  | "BAD_REQUEST"
  | "EXECUTION_FAILED"
  | "FORBIDDEN"
  | "IDEMPOTENCY_KEY_REUSED"
  | "INPUT_VALIDATION_FAILED"
  | "METHOD_NOT_ALLOWED"
  | "NOT_FOUND"
  | "PAYLOAD_TOO_LARGE"
  | "RUNNER_NOT_FOUND"
  | "SERVICE_UNAVAILABLE";

/** Body of every error. `defined` marks the three that are the runner contract's own. */
export interface RunnerErrorBody {
  defined: boolean;
  code: RunnerErrorCode;
  status: number;
  message: string;
  data?: Record<string, unknown>;
}

/** Body of `GET {base}/info`. */
export interface RunnerInfo {
  runners: string[];
  count: number;
  region?: string;
  usage: {
    method: "POST";
    endpoint: string;
    example: { url: string; runners: string[] };
  };
}

const object = z.record(z.string(), z.unknown());

/** The request's shape: the source of its validation and of its schema in the OpenAPI document. */
export const executeRequestSchema: z.ZodType<RunnerExecuteRequest> = z
  .object({
    url: z
      .url()
      .optional()
      .meta({ description: "Absolute URL under test. Wins over a `url` in any input." }),
    runners: z
      .array(
        z.union(
          [
            z.string().min(1),
            z.object({
              name: z.string().min(1),
              input: object.optional().meta({
                description: "Input of this runner; wins over the request's `input`.",
              }),
            }),
          ],
          { error: "Invalid input: expected a runner's name or {name, input?}" },
        ),
      )
      .min(1)
      .max(1000)
      .meta({
        description:
          "Names, or a name with the input of its own. Executed one after another, in this order.",
      }),
    runId: z.string().optional().meta({ description: "Echoed in the reply." }),
    region: z.string().optional().meta({
      description: "Region to run for; a server that has a region of its own keeps that.",
    }),
    input: object.optional().meta({ description: "Input for all runners." }),
  })
  .meta({ description: "Runners to execute and what to execute them with." });

/** The reply's shape, for the OpenAPI document. */
export const executeReplySchema: z.ZodType<RunnerExecuteReply> = z
  .object({
    region: z.string().optional(),
    runId: z.string().optional(),
    results: z.array(
      z.object({
        name: z.string(),
        status: z.enum(["pass", "fail", "error"]).meta({
          description: "`error` means that the runner threw, timed out or answered nonsense.",
        }),
        details: object.optional(),
        errorMessage: z.string().optional(),
        durationMs: z.number().nonnegative().optional().meta({ description: "Milliseconds." }),
      }),
    ),
  })
  .meta({ description: "One result a runner, in the order of the request." });

const at = z.int().nonnegative().meta({ description: "Epoch milliseconds." });

/** The shape of what runners tell while they run, for the OpenAPI document. */
export const runnerEventSchema: z.ZodType<RunnerEvent> = z
  .union([
    z.object({
      event: z.literal("checkpoint"),
      id: z.uuid().meta({ description: "The same where the event is told again." }),
      at,
      type: z.string().min(1).max(checkpointLimits.type),
      data: z.unknown().optional(),
      runner: z.string(),
    }),
    z.object({
      event: z.literal("log"),
      at,
      message: z.string().max(eventLimits.message),
      meta: object.optional(),
      runner: z.string(),
    }),
  ])
  .meta({ description: "What a runner tells while it runs." });

/** The shape of `GET {base}/info`, for the OpenAPI document. */
export const infoSchema: z.ZodType<RunnerInfo> = z.object({
  runners: z.array(z.string()),
  count: z.int().nonnegative(),
  region: z.string().optional(),
  usage: z.object({
    method: z.literal("POST"),
    endpoint: z.string(),
    example: z.object({ url: z.string(), runners: z.array(z.string()) }),
  }),
});
