import type { Checkpoint, RunEvent, ServiceRun } from "../../types/service.ts";
import type { ServiceRunPage } from "../service-schemas.ts";
import { createdAt, type ExampleRunner, requestExamples, runId } from "./examples.ts";

/** A body that starts a workflow of the app's own. */
export interface ExampleStart {
  workflow: string;
  [field: string]: unknown;
}

/** Bodies of `POST /runs`, by name; `other` is one for a workflow of the app's own. */
export function createExamples(
  runner: ExampleRunner,
  other: ExampleStart | undefined,
): Record<string, unknown> {
  const { overRegions, inThisProcess } = requestExamples(runner);
  const { mode: _, ...modeless } = overRegions!;
  return {
    overRegions: { ...overRegions, tags: ["nightly"], metadata: { build: 4711 } },
    inThisProcess,
    planned: modeless,
    ...(other && { otherWorkflow: { ...other, tags: ["nightly"] } }),
    tellingOfItsEnd: { ...overRegions, callback: { url: "https://ci.example.com/hooks/runs" } },
  };
}

/** A run that has ended. */
export const runExample: ServiceRun = {
  id: runId,
  workflow: "run",
  mode: "remote",
  status: "failed",
  state: "timed_out",
  owner: "ci",
  metadata: { build: 4711 },
  tags: ["nightly"],
  createdAt,
  completedAt: "2026-11-20T09:00:01.800Z",
};

/** A page of the list of runs. */
export const listExample: ServiceRunPage = {
  runs: [runExample],
  cursor: "0001795165200000/wrun_01K6ZQ7T2E9M4V8XH3B5N0RCDA",
};

/** A checkpoint as it is answered. */
export const checkpointExample: Checkpoint = {
  id: "8b0f5c1e-2f63-4a52-9f0e-6d2f3b1c7a90",
  runId,
  ts: "2026-11-20T09:00:01.204Z",
  type: "approved",
  data: { by: "ada" },
};

const jobId = "job_5f0c9c4e-6b1d-4d0a-9c58-0b7f9a1e2d31";
const at = "2026-11-20T09:00:01.412Z";

const events: RunEvent[] = [
  { event: "hello", data: { runId } },
  { event: "checkpoint", id: checkpointExample.ts, data: checkpointExample },
  { event: "log", data: { runId, at, message: "title read", jobId, runner: "checkTitle" } },
  {
    event: "job",
    data: { runId, jobId, state: "completed", at, server: "us-east-1-a", passed: true },
  },
  { event: "status", data: { runId, status: "completed" } },
];

/** An event stream from its beginning to its end. */
export const streamExample: string = events
  .map((told) => {
    const id = told.event === "checkpoint" ? `id: ${told.id}\n` : "";
    return `${id}event: ${told.event}\ndata: ${JSON.stringify(told.data)}\n\n`;
  })
  .join("");
