import { mkdir } from "node:fs/promises";
import { expect } from "vitest";
import { type Answer, send, until } from "./api.ts";
import type { TestServer } from "./app.ts";
import { startNode } from "./process.ts";
import type { FakeRunnerServer } from "./runner-server.ts";

/** Starts a Node script that prints where it listens. */
export async function startHost(
  script: string,
  cwd: string,
  env: Record<string, string> = {},
): Promise<TestServer> {
  await mkdir(cwd, { recursive: true });
  const running = startNode([script], cwd, { PORT: "0", HOST: "127.0.0.1", ...env });
  const [, port] = await running.printed(/Listening on:? .*?:(\d+)\//);
  return { ...running, url: `http://127.0.0.1:${port}` };
}

/** The variable that tells an orchestrator of one runner server. */
export function knowing(server: FakeRunnerServer): Record<string, string> {
  return { PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: server.url }) };
}

/** Submits a run of one runner and answers with its id. */
export async function submit(base: string, mode: "local" | "remote", url: string): Promise<string> {
  const runner = { name: "statusTest", input: { url }, ...(mode === "remote" && { region: "eu" }) };
  const { status, body } = await send(base, { runners: [runner], mode });
  expect({ status, body }).toMatchObject({ status: 200, body: { runId: expect.any(String) } });
  return body.runId as string;
}

/** Polls a run's status until it has ended, and answers with its results. */
export async function resultsOf(base: string, runId: string, ms?: number): Promise<Answer> {
  await until(
    async () => {
      const { status, body } = await send(`${base}/${runId}/status`);
      expect({ status, body }).toMatchObject({ status: 200, body: { runId, totalJobs: 1 } });
      return body.state !== "running" && body.state !== "queued" && body.state !== "pending";
    },
    ms,
    "the run's end",
  );
  return send(`${base}/${runId}`);
}
