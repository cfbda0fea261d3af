import { request } from "node:http";
import { serve } from "srvx/node";
import { createApi } from "../../src/http/app.ts";
import { createGuard, type Guard } from "../../src/http/guard/guard.ts";
import type { WorkflowEntry } from "../../src/types/manifest.ts";
import type { JournalEntry } from "../../src/types/journal.ts";
import type { PlannedJob, RunRequest } from "../../src/types/run.ts";
import { send, type Answer } from "./api.ts";
import { createMemoryRuns, type MemoryRuns } from "./memory-runs.ts";

/** The API over HTTP, on runs in memory. */
export interface RunApi extends MemoryRuns {
  /** `http://127.0.0.1:port/api/orchestrator`. */
  base: string;
  /** Sends to a path below the route; a body makes it a `POST`. */
  send(
    path: string,
    body?: unknown,
    init?: RequestInit & { headers?: Record<string, string> },
  ): Promise<Answer>;
  /** Submits a run and answers with its id. */
  submit(body: unknown): Promise<string>;
  close(): Promise<void>;
}

/** Serves the API on a free loopback port, with discovered workflows of these names. */
export async function serveRunApi(
  names: readonly string[] = ["greet"],
  guard: Guard = createGuard(),
): Promise<RunApi> {
  const memory = createMemoryRuns();
  const route = "/api/orchestrator";
  const handler = createApi({
    route,
    service: false,
    readiness: () => ({ ready: true }),
    engine: memory.engine,
    runs: memory.runs,
    ...memory.service,
    manifest: async () => ({ workflows: names.map(workflow), inputs: {} }),
    injected: {
      registry: { kind: "server-registry", name: "default" },
      loadBalancer: { kind: "load-balancer", name: "default" },
    },
    guard,
  });
  const server = serve({
    fetch: handler,
    port: 0,
    hostname: "127.0.0.1",
    silent: true,
    gracefulShutdown: false,
  });
  await server.ready();
  const base = new URL(server.url!).origin + route;
  const toPath: RunApi["send"] = (path, body, init) => send(base + path, body, init);
  return {
    ...memory,
    base,
    send: toPath,
    async submit(body) {
      const answer = await toPath("", body);
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
      return answer.body.runId as string;
    },
    close: () => server.close(true),
  };
}

function workflow(name: string): WorkflowEntry {
  return {
    name,
    workflowId: `workflow//./workflows/${name}//${name}`,
    file: `workflows/${name}.ts`,
    line: 1,
    parameters: ["jobs"],
    accepts: "jobs",
  };
}

/** A run request of one runner, `check`, on these pages in these regions. */
export function requestFor(
  urls: readonly string[] = ["https://a.example"],
  regions: string[] = ["eu"],
): RunRequest {
  return {
    mode: "remote",
    regions,
    runners: urls.map((url) => ({ name: "check", input: { url } })),
  };
}

/** The entry of a job that was answered with one result of this status. */
export function answered(
  { id, runners, region }: PlannedJob,
  status = "pass",
  at = 1000,
): JournalEntry {
  const results = runners.map(({ name }) => ({ name, status: status as "pass" }));
  return {
    type: "job.completed",
    jobId: id,
    at,
    durationMs: 10,
    result: {
      jobId: id,
      server: "s1",
      results,
      attempts: [],
      durationMs: 10,
      ...(region !== undefined && { region }),
    },
  };
}

/** Sends a request whose path `fetch` would mend, and answers with the status and the body. */
export function sendRaw(
  base: string,
  path: string,
  method = "GET",
): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, path, method, timeout: 5000 }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode!, text }));
    });
    outgoing.on("error", reject).end();
  });
}
