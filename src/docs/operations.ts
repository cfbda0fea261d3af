/** A JSON object of an OpenAPI document. */
type JsonObject = Record<string, unknown>;

/** The document's own operation, as every API that serves one has it. */
export function specOperation(errors: JsonObject = {}): JsonObject & Named {
  const schema = { type: "object", required: ["openapi", "info", "paths"] };
  return {
    operationId: "getSpec",
    tags: ["meta"],
    summary: "This OpenAPI document",
    responses: {
      200: { description: "OpenAPI 3.1.", content: { "application/json": { schema } } },
      ...errors,
    },
  };
}

/** The operation of the page that renders the document. */
export function docsOperation(errors: JsonObject = {}): JsonObject & Named {
  return {
    operationId: "getDocs",
    tags: ["meta"],
    summary: "This document as a page",
    responses: {
      200: {
        description: "HTML that needs nothing from elsewhere.",
        content: { "text/html": { schema: { type: "string" } } },
      },
      ...errors,
    },
  };
}

/** What every operation is known by. */
interface Named {
  operationId: string;
  summary: string;
}
