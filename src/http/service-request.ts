import * as z from "zod";
import { dataProblem, typeProblem } from "../core/checkpoint.ts";
import type { ValidationIssue } from "../types/manifest.ts";
import type { JsonObject } from "../types/runner.ts";
import type { Callback } from "../types/service.ts";
import { HttpProblem } from "./errors.ts";
import { refusalOf, wordingOf } from "./run-request.ts";
import { tagsSchema } from "./schemas.ts";
import { extrasShape } from "./service-schemas.ts";
import { badField } from "./start-request.ts";

/** What a caller of `POST /runs` says beside what is to run. */
export interface ServiceExtras {
  /** Name of a workflow; the one of run requests where it is absent. */
  workflow?: string;
  metadata?: JsonObject;
  callback?: Callback;
}

const extrasSchema: z.ZodType<ServiceExtras> = z.object(
  extrasShape,
) as unknown as z.ZodType<ServiceExtras>;

/**
 * Takes apart what a body says beside what is to run.
 *
 * @throws HttpProblem 400, whose message names the field
 */
export function takeExtras(body: Record<string, unknown>): {
  extras: ServiceExtras;
  rest: Record<string, unknown>;
} {
  const { workflow, metadata, callback, ...rest } = body;
  const parsed = extrasSchema.safeParse({ workflow, metadata, callback }, { error: wordingOf });
  if (!parsed.success) throw refusalOf(parsed.error.issues);
  return { extras: parsed.data, rest };
}

/**
 * Tags of a run of a workflow that has no request of its own kind.
 *
 * @throws HttpProblem 400, whose message names the field
 */
export function parseTags(tags: unknown): string[] {
  const parsed = z.object({ tags: tagsSchema }).safeParse({ tags }, { error: wordingOf });
  if (!parsed.success) throw refusalOf(parsed.error.issues);
  return [...new Set(parsed.data.tags)];
}

/**
 * Who starts a run, as `X-Actor-Id` says.
 *
 * @throws HttpProblem 400
 */
export function actorOf(headers: Headers): string | undefined {
  const actor = headers.get("x-actor-id");
  if (actor === null) return undefined;
  if (/^[\x20-\x7E]{1,200}$/.test(actor) && actor.trim() !== "") return actor.trim();
  throw badField("X-Actor-Id", "must be 1 to 200 visible ASCII characters");
}

/**
 * A checkpoint from a body.
 *
 * @throws HttpProblem 400 in the words of the run service
 */
export function parseCheckpoint(body: Record<string, unknown>): { type: string; data?: unknown } {
  const { type, data, ...others } = body;
  const problem = typeProblem(type);
  if (problem !== undefined) {
    throw new HttpProblem(400, "invalid checkpoint type", { details: [detail("type", problem)] });
  }
  const details = Object.keys(others).map((name) => detail(name, "is not expected"));
  const wrong = dataProblem(data);
  if (wrong !== undefined) details.push(detail("data", wrong));
  if (details.length > 0) throw new HttpProblem(400, "validation failed", { details });
  return { type: type as string, ...(data !== undefined && { data }) };
}

function detail(field: string, message: string): ValidationIssue {
  return { path: [field], message: `${field} ${message}`, code: "custom" };
}
