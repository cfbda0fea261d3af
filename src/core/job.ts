import { z } from "zod";
import type { RunnerJob } from "../types/run.ts";
import { OrchestratorError } from "./errors.ts";

const jsonObject: z.ZodType<Record<string, unknown>> = z.record(z.string(), z.unknown());

/** What a job must look like; keys we do not know are dropped. */
const jobSchema: z.ZodType<RunnerJob> = z.object({
  id: z.string().min(1).max(200).optional(),
  url: z.url({ protocol: /^https?$/, error: "must be an absolute http(s) URL" }).optional(),
  runners: z
    .array(
      z.union([
        z.string().min(1),
        z.object({ name: z.string().min(1), input: jsonObject.optional() }),
      ]),
    )
    .min(1, "must name at least one runner"),
  region: z.string().min(1).optional(),
  input: jsonObject.optional(),
  timeout: z.int().positive().optional(),
});

/**
 * A job as it may be sent to a server.
 *
 * @throws OrchestratorError `INPUT_VALIDATION_FAILED`; `data.issues` has each field's path
 */
export function parseJob(value: unknown): RunnerJob {
  const parsed = jobSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message, code }) => ({
    path: path.map((part) => (typeof part === "number" ? part : String(part))),
    message,
    code,
  }));
  throw new OrchestratorError(
    "INPUT_VALIDATION_FAILED",
    `The job is not valid: ${issues.map(({ path, message }) => `${["job", ...path].join(".")} ${message}`).join("; ")}`,
    { data: { issues } },
  );
}
