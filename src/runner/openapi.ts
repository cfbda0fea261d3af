import { docsOperation, specOperation } from "../docs/operations.ts";
import type { JsonObject, RunnerExecuteReply } from "../types/index.ts";
import type { RunnerCatalog } from "./catalog.ts";
import {
  executeReplySchema,
  executeRequestSchema,
  infoSchema,
  runnerEventSchema,
  type RunnerInfo,
} from "./contract.ts";
import { errorExamples } from "./error-examples.ts";
import { inputComponents, toJsonSchema, type NamedSchema } from "../core/json-schema.ts";

/** An OpenAPI 3.1 document, as plain JSON. */
export type OpenApiDocument = JsonObject & { openapi: string };

/** The document of a server with these runners, mounted at `base`. */
export function openApiDocument(
  catalog: RunnerCatalog,
  info: RunnerInfo,
  base: string,
): OpenApiDocument {
  const inputs = inputComponents(catalog.values(), new Set());
  return {
    openapi: "3.1.0",
    info: {
      title: "Runners HTTP API",
      version: "1.0.0",
      description:
        "Executes named checks (runners) on this server and answers with their results. A check that fails is a result, not an HTTP error.",
    },
    servers: [{ url: base || "/" }],
    tags: [
      { name: "runners", description: "Execute runners and see which there are." },
      { name: "meta", description: "This document." },
    ],
    paths: {
      "/execute": { post: executeOperation(info) },
      "/info": { get: infoOperation(info) },
      "/spec.json": { get: specOperation() },
      "/docs": { get: docsOperation() },
    },
    components: {
      schemas: {
        ExecuteRequest: executeRequest(catalog, inputs),
        ExecuteReply: toJsonSchema(executeReplySchema),
        Info: toJsonSchema(infoSchema),
        Error: errorSchema,
        ...Object.fromEntries([...inputs.values()].map(({ key, schema }) => [key, schema])),
      },
    },
    // For the docs page: what a runner's merged input must be, which `ExecuteRequest` cannot say.
    "x-runners": [...catalog.keys()].map((name) => {
      const input = inputs.get(name);
      return input ? { name, input: refer(input.key) } : { name };
    }),
  };
}

/** The request with its `runners` narrowed to those there are. */
function executeRequest(catalog: RunnerCatalog, inputs: Map<string, NamedSchema>): JsonObject {
  const request = toJsonSchema(executeRequestSchema);
  const properties = request.properties as Record<string, JsonObject>;
  if (catalog.size === 0) return request;
  const objects = [...catalog.keys()].map((name) => ({
    type: "object",
    title: name,
    required: ["name"],
    properties: { name: { const: name }, input: partialInput(inputs.get(name)) },
  }));
  const items = {
    title: "name or {name, input?}",
    anyOf: [{ type: "string", enum: [...catalog.keys()] }, ...objects],
  };
  return { ...request, properties: { ...properties, runners: { ...properties.runners, items } } };
}

/** A runner's own input, where nothing is required: the request's `input` and `url` come to it. */
function partialInput(input: NamedSchema | undefined): JsonObject {
  if (!input) return { type: "object" };
  const names = Object.keys((input.schema.properties as JsonObject | undefined) ?? {});
  const place = `${input.key}/properties`;
  return {
    type: "object",
    description: `Merged with the request's \`input\` and \`url\`, then validated as ${input.key}.`,
    properties: Object.fromEntries(names.map((name) => [name, refer(`${place}/${escape(name)}`)])),
  };
}

function executeOperation({ runners, usage, region }: RunnerInfo): JsonObject {
  const results = usage.example.runners.map((name) => ({
    name,
    status: "pass" as const,
    durationMs: 412,
  }));
  const reply: RunnerExecuteReply = { ...(region !== undefined && { region }), results };
  const first = runners[0] ?? "checkTitle";
  return {
    operationId: "executeRunners",
    tags: ["runners"],
    summary: "Execute runners",
    description:
      'Runs the named runners one after another. Nothing is executed when one of them is unknown or an input is invalid. A body `{"json": …}` is answered in kind, errors included. With `application/x-ndjson` in `Accept`, checkpoints and log lines are sent while the runners run, and then the reply.',
    parameters: [
      {
        name: "Idempotency-Key",
        in: "header",
        required: false,
        description:
          "A repeat under the same key and body within 15 minutes is answered from the first.",
        schema: { type: "string" },
        example: "run-1/job-1",
      },
    ],
    requestBody: {
      required: true,
      content: jsonContent(onBothWires("ExecuteRequest"), {
        bare: { value: usage.example },
        enveloped: { value: { json: usage.example } },
      }),
    },
    responses: {
      200: {
        description:
          "One result a runner, in the order of the request. In lines of JSON only to who accepts them, and only when a runner has told something before the end.",
        content: {
          ...jsonContent(onBothWires("ExecuteReply"), {
            bare: { value: reply },
            enveloped: { value: { json: reply } },
          }),
          ...linesContent(reply),
        },
      },
      ...errorResponses(first, runners),
    },
  };
}

/** The answer in lines, each of which is one of these. */
function linesContent(reply: RunnerExecuteReply): JsonObject {
  const runner = reply.results[0]?.name ?? "checkTitle";
  const at = Date.UTC(2026, 0, 31, 12);
  const id = "7d0f0f9e-2c1b-4a53-9d57-3f1f6f0a7c11";
  const line = (title: string, properties: JsonObject, description: string): JsonObject => ({
    type: "object",
    title,
    description,
    required: Object.keys(properties),
    properties,
  });
  const schema = {
    anyOf: [
      toJsonSchema(runnerEventSchema),
      line("Heartbeat", { event: { const: "ping" } }, "After 15 s without another line."),
      line("LastLine", { reply: onBothWires("ExecuteReply") }, "The last line."),
      line(
        "LastErrorLine",
        { error: onBothWires("Error"), status: { type: "integer" } },
        "The last line of an execution that failed.",
      ),
    ],
  };
  const examples = {
    checkpoint: {
      value: { event: "checkpoint", id, at, type: "loaded", data: { ms: 310 }, runner },
    },
    log: { value: { event: "log", at, message: "checking", runner } },
    reply: { value: { reply } },
  };
  return { "application/x-ndjson": { schema, examples } };
}

const errorDescriptions: Record<number, string> = {
  400: "The body is not JSON, is not sent as JSON or has the wrong shape.",
  403: "A browser sent the request for a page of another site.",
  409: "The Idempotency-Key was used before with another body.",
  413: "The body is larger than the server takes.",
  500: "A runner is unknown or its input invalid (nothing was executed), or the server itself failed. Not transient.",
  503: "The server is shutting down; `Retry-After` says when to ask again.",
};

function errorResponses(first: string, runners: string[]): JsonObject {
  const retryAfter = { description: "Seconds.", schema: { type: "integer" }, example: 1 };
  return Object.fromEntries(
    Object.entries(errorDescriptions).map(([status, description]) => [
      status,
      {
        description,
        ...(status === "503" && { headers: { "Retry-After": retryAfter } }),
        content: jsonContent(onBothWires("Error"), errorExamples(Number(status), first, runners)),
      },
    ]),
  );
}

function infoOperation(info: RunnerInfo): JsonObject {
  return {
    operationId: "getInfo",
    tags: ["runners"],
    summary: "List the runners",
    responses: {
      200: {
        description: "The runners of this server and how to call them.",
        content: jsonContent(refer("Info"), { info: { value: info } }),
      },
    },
  };
}

const errorSchema: JsonObject = {
  type: "object",
  required: ["defined", "code", "status", "message"],
  properties: {
    defined: { type: "boolean", description: "True for the errors of the runner contract itself." },
    code: { type: "string" },
    status: { type: "integer", description: "The HTTP status." },
    message: { type: "string" },
    data: { type: "object" },
  },
};

function onBothWires(component: string): JsonObject {
  const bare = refer(component);
  return {
    anyOf: [
      bare,
      {
        type: "object",
        title: `${component}Envelope`,
        required: ["json"],
        properties: { json: bare, meta: {} },
      },
    ],
  };
}

function jsonContent(schema: JsonObject, examples?: JsonObject): JsonObject {
  return { "application/json": { schema, ...(examples && { examples }) } };
}

function refer(component: string): { $ref: string } {
  return { $ref: `#/components/schemas/${component}` };
}

/** A property's name as it stands in a JSON pointer inside a URI fragment. */
function escape(name: string): string {
  return encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"));
}
