import type { JsonObject } from "../../types/index.ts";
import { refer } from "./components.ts";
import { sharedErrors, workflowForm } from "./errors.ts";
import { jsonAnswer, objectOf, type Operation, parameter } from "./operation.ts";
import { pathErrors, wrongReplay } from "./service-errors.ts";
import { checkpointExample, streamExample } from "./service-examples.ts";

const tags = ["service"];

/** A run's event stream. */
export async function streamOperation(auth: boolean): Promise<Operation> {
  const time = { type: "string", format: "date-time" };
  return {
    operationId: "streamRunEvents",
    tags,
    summary: "Follow a run",
    description:
      "An event stream, as `EventSource` reads it: `hello`, what there was, the status, then what happens, until the run has ended. `ping` comes every 30 seconds, and a comment every 10.",
    parameters: [
      parameter("Id"),
      {
        name: "replay",
        in: "query",
        description: "How many of the last checkpoints, and as many lines of the log, come first.",
        schema: { type: "integer", minimum: 0, maximum: 100, default: 10 },
      },
      {
        name: "Last-Event-ID",
        in: "header",
        description:
          "The id of the last checkpoint that a client got: it gets all after that one, and `replay` counts for nothing. What is no such id is ignored.",
        schema: time,
        example: checkpointExample.ts,
      },
      ...(auth ? [tokenParameter] : []),
    ],
    responses: {
      200: {
        description:
          "Frames of the stream. The data of each is JSON; `RunEvent` describes the frames with their data parsed. A checkpoint's frame has its `ts` as the id, other frames have none.",
        content: {
          "text/event-stream": {
            schema: { type: "string" },
            "x-item-schema": refer("RunEvent"),
            examples: { fromBeginningToEnd: { value: streamExample } },
          },
        },
      },
      400: await wrongReplay(),
      ...(await pathErrors(["GET"], { id: true })),
    },
  };
}

const tokenParameter: JsonObject = {
  name: "token",
  in: "query",
  description: "What `createEventToken` answered with, instead of a key.",
  schema: { type: "string" },
};

/** The token that a stream is asked for with, where a key cannot be sent. */
export async function tokenOperation(): Promise<Operation> {
  return {
    operationId: "createEventToken",
    tags,
    summary: "Get a token for a run's event stream",
    description:
      "`EventSource` cannot send headers: it sends this as `?token=`. It is for this run only, and for ten minutes.",
    parameters: [parameter("Id")],
    responses: {
      201: jsonAnswer(
        "The token.",
        objectOf({ token: { type: "string" }, expiresAt: { type: "string", format: "date-time" } }),
        {
          token: {
            token: `1795165800000.${"x".repeat(43)}`,
            expiresAt: "2026-11-20T09:10:00.000Z",
          },
        },
      ),
      ...sharedErrors(workflowForm, [403]),
      ...(await pathErrors(["POST"], { id: true })),
    },
  };
}
