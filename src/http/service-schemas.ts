import * as z from "zod";
import { runStateSchema } from "./schemas.ts";
import type { ServiceRun } from "./service-run.ts";

/** Answer of `GET /runs`. */
export interface ServiceRunPage {
  /** The newest first. */
  runs: ServiceRun[];
  /** Where the next page begins; absent on the last one. */
  cursor?: string;
}

const isoTime = z.iso.datetime();

/** A run of any workflow. */
export const serviceRunSchema: z.ZodType<ServiceRun> = z
  .strictObject({
    id: z.string().meta({ description: "The caller's own id where there is one." }),
    workflow: z.string().meta({ description: "Name of its workflow." }),
    mode: z.enum(["local", "remote", "workflow"]).meta({
      description: "Who executes its jobs; `workflow` for a run of a workflow other than `run`.",
    }),
    status: z.enum(["pending", "running", "completed", "failed", "canceled"]).meta({
      description: "A run that has timed out is `failed`; `state` says more.",
    }),
    state: runStateSchema,
    owner: z.string().optional().meta({ description: "Who started it." }),
    metadata: z.record(z.string(), z.unknown()).optional().meta({
      description: "What its caller keeps with it.",
    }),
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
