import * as z from "zod";
import { runLimits } from "../core/run-limits.ts";
import type { Heartbeat, JoiningServer, ServerStatus } from "../types/server.ts";

/** Answer of `POST /servers` to a server that has joined. */
export interface JoinedServer {
  server: ServerStatus;
  /** Milliseconds between two heartbeats, and until a server without any has left. */
  heartbeat: { interval: number; ttl: number };
}

/** What only visible text is. */
const visible = /^[^\p{Cc}\p{Cs}]*[^\p{Cc}\p{Cs}\s][^\p{Cc}\p{Cs}]*$/u;

const capacity = z.int().positive().max(1_000_000).meta({
  description: "Most jobs in flight at once; unlimited when absent.",
});
const load = z.number().nonnegative().max(1_000_000).meta({
  description: "Jobs it has in flight, whoever sent them.",
});
const milliseconds = z.int().positive().meta({ description: "Milliseconds." });
const epoch = z.number().meta({ description: "Milliseconds since 1970." });

/** Body of `POST /servers`: the one source of its validation and of its JSON Schema. */
export const joiningServerSchema: z.ZodType<JoiningServer> = z
  .strictObject({
    id: z
      .string()
      .regex(/^[\w.~-]{1,100}$/, "must consist of 1 to 100 letters, digits and . _ ~ -")
      .optional()
      .meta({
        description:
          "Without one it is made of region and url: the same server has the same each time.",
      }),
    url: z
      .string()
      .max(2000)
      .refine(isServerUrl, "must be an absolute http(s) URL without credentials, query or fragment")
      .meta({ format: "uri", description: "Absolute http(s) URL of the runner base." }),
    region: z.string().min(1).max(runLimits.name).regex(visible, "must be visible text"),
    weight: z.number().positive().max(1_000_000).optional().meta({
      description: "Share of the work, for the `weighted` balancer; 1 when absent.",
    }),
    capacity: capacity.optional(),
    load: load.optional(),
  })
  .meta({ description: "A server that joins." });

/** Body of a heartbeat. */
export const heartbeatSchema: z.ZodType<Heartbeat> = z
  .strictObject({ load: load.optional(), capacity: capacity.optional() })
  .meta({ description: "What a server tells of itself." });

/** A server and what is known of it. */
export const serverStatusSchema: z.ZodType<ServerStatus> = z
  .object({
    id: z.string(),
    url: z.string(),
    region: z.string(),
    weight: z.number().positive().optional(),
    capacity: z.int().positive().optional(),
    circuit: z.enum(["closed", "half-open", "open"]).meta({
      description: "`open` lets no job through, `half-open` one, to probe.",
    }),
    inFlight: z.int().nonnegative().meta({
      description: "Jobs in flight of all orchestrators that share the registry.",
    }),
    load: z.number().nonnegative().optional().meta({ description: "Jobs it has beside those." }),
    lastSeenAt: epoch.optional(),
    lastError: z.string().optional(),
    leavesAt: epoch.optional().meta({
      description:
        "When it leaves unless it gives a sign of life, in milliseconds since 1970; absent for one that stays.",
    }),
  })
  .meta({ description: "A runner server and what is known of it." });

/** Answer to a server that has joined. */
export const joinedServerSchema: z.ZodType<JoinedServer> = z.object({
  server: serverStatusSchema,
  heartbeat: z.object({ interval: milliseconds, ttl: milliseconds }).meta({
    description: "How often to send a heartbeat, and when it has left without one.",
  }),
});

function isServerUrl(text: string): boolean {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false;
  const { username, password, search, hash } = new URL(text);
  return username === "" && password === "" && search === "" && hash === "";
}
