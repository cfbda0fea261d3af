import { pathErrors } from "./service-errors.ts";
import { jsonAnswer, objectOf, type Operation, type Paths } from "./operation.ts";

/** What probes and Prometheus ask for. */
export async function opsPaths(): Promise<Paths> {
  return {
    "/health": { get: await healthOperation() },
    "/ready": { get: await readyOperation() },
    "/metrics": { get: await metricsOperation() },
  };
}

const tags = ["service"];

async function healthOperation(): Promise<Operation> {
  const service = { const: "orchestrator" };
  // It asks nobody, so that nobody can be away.
  const { 503: _, ...errors } = await pathErrors(["GET"]);
  return {
    operationId: "getHealth",
    tags,
    summary: "See whether the process lives",
    responses: {
      200: jsonAnswer("It does.", objectOf({ ok: { const: true }, service }), {
        alive: { ok: true, service: "orchestrator" },
      }),
      ...errors,
    },
  };
}

async function readyOperation(): Promise<Operation> {
  const error = { type: "string", description: "Why not." };
  return {
    operationId: "getReady",
    tags,
    summary: "See whether runs are taken up",
    responses: {
      ...(await pathErrors(["GET"])),
      200: jsonAnswer("They are.", objectOf({ ok: { const: true } }), { ready: { ok: true } }),
      503: jsonAnswer("They are not.", objectOf({ ok: { const: false }, error }), {
        notReady: { ok: false, error: "The orchestrator is shutting down" },
      }),
    },
  };
}

async function metricsOperation(): Promise<Operation> {
  return {
    operationId: "getMetrics",
    tags,
    summary: "Get metrics",
    description: "In the text format of Prometheus.",
    responses: {
      200: {
        description: "One line for each value.",
        content: { "text/plain": { schema: { type: "string" } } },
      },
      ...(await pathErrors(["GET"])),
    },
  };
}
