import { BodyTooLargeError } from "../../core/body.ts";
import type { JsonObject } from "../../types/index.ts";
import { errorResponse, HttpProblem, runErrorResponse, worldAway } from "../errors.ts";
import { bodyLimit } from "../json.ts";
import { refer } from "./components.ts";
import { header } from "./operation.ts";

/** Errors by their example's name. */
export type Problems = Record<string, unknown>;

/** A form that errors are sent in. */
export interface ErrorForm {
  schema: "RunError" | "WorkflowError";
  /** What the server answers an error with. */
  respond: (error: unknown) => Response;
}

/** The form of the run routes. */
export const runForm: ErrorForm = { schema: "RunError", respond: runErrorResponse };

/** The form of the workflow routes. */
export const workflowForm: ErrorForm = { schema: "WorkflowError", respond: errorResponse };

const descriptions: Record<string, string> = {
  400: "Something in the request is wrong; the message names the field.",
  401: "There is no key in the request that is known.",
  403: "The key lacks a scope, or a browser sent the request for a page of another site.",
  404: "There is no such run.",
  405: "Another method of this path.",
  409: "The same `Idempotency-Key` or `runId` was used before for something else.",
  413: "The body is larger than the server takes.",
  415: "The body is not sent as JSON.",
  414: "The query is longer than the server takes.",
  429: "The caller has sent too many requests.",
  431: "The headers are larger than the server takes.",
  500: "The server itself failed.",
  501: "The engine has not compiled the workflow.",
  503: "Where the runs are kept is out of reach.",
};

const headersOf: Record<number, JsonObject> = {
  405: { Allow: header("Allow") },
  429: { "Retry-After": header("RetryAfter") },
  503: { "Retry-After": header("RetryAfter") },
};

/** The response that an operation has for errors of one status, with an example of each from the code that answers them. */
export async function errorExamples(
  { schema, respond }: ErrorForm,
  status: number,
  problems: Problems,
  description: string = descriptions[status]!,
): Promise<JsonObject> {
  const examples = await Promise.all(
    Object.entries(problems).map(async ([name, problem]) => {
      const response = respond(problem);
      if (response.status !== status) throw new Error(`${name} is no ${status}`);
      return [name, { value: await response.json() }] as const;
    }),
  );
  return {
    description,
    ...(headersOf[status] && { headers: headersOf[status] }),
    content: {
      "application/json": {
        schema: refer(schema),
        examples: Object.fromEntries(examples),
      },
    },
  };
}

/** What a call throws. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("An example of an error is none");
}

const tooLarge = new BodyTooLargeError(bodyLimit);

/** Errors that every operation of a kind has. */
const common = ({ schema }: ErrorForm): Record<number, Problems> => ({
  413: { tooLarge: new HttpProblem(413, tooLarge.message, { limit: tooLarge.limit }) },
  415: {
    notJson: new HttpProblem(415, "Content-Type must be application/json (got text/plain)"),
  },
  405: {
    otherMethod: new HttpProblem(
      405,
      `Method not allowed. Use ${schema === "RunError" ? "GET" : "GET or POST"}.`,
    ),
  },
  500: { unforeseen: new HttpProblem(500, "Orchestrator execution failed") },
  503: { worldAway: worldAway() },
});

/** The responses of both forms that several operations share. */
export async function errorComponents(): Promise<Record<string, JsonObject>> {
  const entries = [runForm, workflowForm].flatMap((form) =>
    Object.entries(common(form)).map(
      async ([status, problems]) =>
        [`${form.schema}${status}`, await errorExamples(form, Number(status), problems)] as const,
    ),
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** References to shared responses, by status; what may fail may also find its World out of reach. */
export function sharedErrors({ schema }: ErrorForm, statuses: readonly number[]): JsonObject {
  const all = statuses.includes(500) ? [...statuses, 503] : statuses;
  return Object.fromEntries(
    all.map((status) => [status, { $ref: `#/components/responses/${schema}${status}` }]),
  );
}
