import type { JsonObject } from "../types/index.ts";
import { errorBody, malformedMessage } from "./refusal.ts";

/** Bodies that the server answers with under an HTTP status, as OpenAPI examples by name. */
export function errorExamples(status: number, runner: string, runners: string[]): JsonObject {
  const bodies = [
    { name: "wrongShape", body: errorBody("BAD_REQUEST", { issues: [missingRunners] }) },
    { name: "notJson", body: errorBody("BAD_REQUEST", undefined, malformedMessage) },
    { name: "otherSite", body: errorBody("FORBIDDEN") },
    { name: "keyReused", body: errorBody("IDEMPOTENCY_KEY_REUSED") },
    { name: "tooLarge", body: errorBody("PAYLOAD_TOO_LARGE", { limit: 1_048_576 }) },
    {
      name: "runnerNotFound",
      body: errorBody("RUNNER_NOT_FOUND", {
        missingRunners: ["noSuchRunner"],
        availableRunners: runners,
      }),
    },
    {
      name: "invalidInput",
      body: errorBody("INPUT_VALIDATION_FAILED", { runnerName: runner, issues: [missingUrl] }),
    },
    {
      name: "executionFailed",
      body: errorBody("EXECUTION_FAILED", { details: "what went wrong" }),
    },
    { name: "draining", body: errorBody("SERVICE_UNAVAILABLE") },
  ];
  const fitting = bodies.filter(({ body }) => body.status === status);
  return Object.fromEntries(fitting.map(({ name, body }) => [name, { value: body }]));
}

const missingRunners = {
  path: ["runners"],
  message: "Invalid input: expected array, received undefined",
  code: "invalid_type",
};

const missingUrl = {
  path: ["url"],
  message: "Invalid input: expected string, received undefined",
  code: "invalid_type",
};
