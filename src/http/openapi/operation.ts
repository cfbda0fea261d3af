import { runModes } from "../../core/run-modes.ts";
import type { JsonObject } from "../../types/index.ts";

/** An operation, before it has its place. */
export interface Operation extends JsonObject {
  operationId: string;
  summary: string;
}

/** Operations by path and method. */
export type Paths = Record<string, Record<string, Operation>>;

/** A JSON body with examples of it. */
export function jsonContent(schema: JsonObject, examples?: Record<string, unknown>): JsonObject {
  const named = Object.entries(examples ?? {}).map(([name, value]) => [name, { value }]);
  return {
    "application/json": { schema, ...(examples && { examples: Object.fromEntries(named) }) },
  };
}

/** An answer of JSON with examples of it. */
export function jsonAnswer(
  description: string,
  schema: JsonObject,
  examples: Record<string, unknown>,
): JsonObject {
  return { description, content: jsonContent(schema, examples) };
}

/** The schema of an object that has all of these fields, and may get others. */
export function objectOf(properties: Record<string, JsonObject>): JsonObject {
  return { type: "object", properties, required: Object.keys(properties) };
}

type ParameterName = "ActorId" | "Id" | "IdempotencyKey" | "Mode" | "Wait";

/** The operation as it is, or as another path of it. */
export function aliased(operation: Operation, alias: string | undefined): Operation {
  if (alias === undefined) return operation;
  const { operationId, summary, description: _same, ...rest } = operation;
  return {
    ...rest,
    operationId: `${operationId}_${alias}`,
    summary: `${summary} (another path of ${operationId})`,
    tags: ["aliases"],
    "x-alias-of": operationId,
  };
}

/** A reference to a parameter that several operations have. */
export function parameter(name: ParameterName): { $ref: string } {
  return { $ref: `#/components/parameters/${name}` };
}

/** A reference to a header that several answers have. */
export function header(name: "Allow" | "Location" | "RetryAfter"): { $ref: string } {
  return { $ref: `#/components/headers/${name}` };
}

/** Parameters that several operations have. */
export const parameters: Record<ParameterName, JsonObject> = {
  ActorId: {
    name: "X-Actor-Id",
    in: "header",
    description: "Who starts the run; kept as its `owner`.",
    schema: {
      type: "string",
      maxLength: 200,
      pattern: "^[\\x20-\\x7E]*[\\x21-\\x7E][\\x20-\\x7E]*$",
    },
    example: "ci",
  },
  Id: {
    name: "id",
    in: "path",
    required: true,
    description: "The run's id, or the caller's own.",
    schema: { type: "string" },
    example: "wrun_01K6ZQ7T2E9M4V8XH3B5N0RCDA",
  },
  IdempotencyKey: {
    name: "Idempotency-Key",
    in: "header",
    description:
      "The same key with the same body starts nothing twice and answers with the first run's id; with another body it is a 409.",
    schema: { type: "string", pattern: "^[\\x21-\\x7E]{1,255}$" },
    example: "deploy-4711",
  },
  Mode: {
    name: "mode",
    in: "query",
    description: "Stands in for a body without a mode; `plan` goes with any.",
    schema: { type: "string", enum: [...runModes, "plan"] },
  },
  Wait: {
    name: "wait",
    in: "query",
    description: "Seconds to wait for the run's end, at most, before answering.",
    schema: { type: "number", minimum: 0, maximum: 300, default: 0 },
    example: 30,
  },
};

/** Headers that several answers have. */
export const headers: Record<string, JsonObject> = {
  Allow: {
    description: "The methods that the path has.",
    schema: { type: "string" },
    example: "GET, HEAD, POST",
  },
  Location: {
    description: "Where the run is to be asked for.",
    schema: { type: "string", format: "uri-reference" },
  },
  RetryAfter: {
    description: "Seconds to wait before asking again.",
    schema: { type: "integer" },
    example: 1,
  },
};
