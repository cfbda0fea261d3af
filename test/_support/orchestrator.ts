import { inject, onTestFinished } from "vitest";
import { type Answer, send } from "./api.ts";
import { startServer, type TestServer } from "./app.ts";

/** A server of the fixture app, with the run API at hand. */
export interface Orchestrator extends TestServer {
  /** Sends to a path below the API's route; a body makes it a `POST`. */
  api(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Submits a run over regions and answers with its id. */
  submit(body: object): Promise<string>;
  /** A run's results, once it has ended. */
  ended(runId: string, seconds?: number): Promise<any>;
}

/** Starts the fixture app with one runner server in the region `eu`; it is killed with the test. */
export async function startOrchestrator(
  cwd: string,
  runnerUrl: string,
  env: Record<string, string> = {},
): Promise<Orchestrator> {
  const server = await startServer(inject("fixtureOutput"), cwd, {
    PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runnerUrl }),
    ...env,
  });
  onTestFinished(() => void server.stop("SIGKILL"));
  return orchestratorOf(server);
}

/** The run API of a server. */
export function orchestratorOf(server: TestServer): Orchestrator {
  const api: Orchestrator["api"] = (path, body, headers) =>
    send(`${server.url}/api/orchestrator${path}`, body, headers && { headers });
  return {
    ...server,
    api,
    async submit(body) {
      const answer = await api("", body);
      if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body.runId as string;
    },
    ended: async (runId, seconds = 25) => (await api(`/${runId}?wait=${seconds}`)).body,
  };
}
