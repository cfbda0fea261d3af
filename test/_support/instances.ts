import { Client } from "pg";
import { inject } from "vitest";
import { startServer, workDir } from "./app.ts";
import { type Orchestrator, orchestratorOf } from "./orchestrator.ts";

/**
 * Starts so many servers of the fixture app at once on one database. Each knows the runner server below a path
 * of its own, by which that tells them apart.
 */
export async function startInstances(
  count: number,
  database: string,
  runner: { url: string },
  env: Record<string, string> = {},
): Promise<Orchestrator[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const url = runner.url.replace("/api/", `/instance-${index}/api/`);
      const server = await startServer(inject("fixtureOutput"), workDir(), {
        WORKFLOW_TARGET_WORLD: "@workflow/world-postgres",
        WORKFLOW_POSTGRES_URL: database,
        PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: url }),
        ...env,
      });
      return orchestratorOf(server);
    }),
  );
}

/** The number of the instance that a request to the runner server came from. */
export function instanceOf({ path }: { path: string }): number {
  return Number(/^\/instance-(\d+)\//.exec(path)?.[1]);
}

/** Ends them as an operator does, and answers with their exit codes and with what they said of faults. */
export async function endInstances(
  instances: readonly Orchestrator[],
): Promise<{ codes: unknown[]; faults: string[] }> {
  const codes = await Promise.all(instances.map((instance) => instance.stop("SIGTERM")));
  return { codes, faults: instances.flatMap(({ output }) => faultsIn(output())) };
}

/** Lines that tell of an error that nobody has handled. */
function faultsIn(output: string): string[] {
  return output
    .split("\n")
    .filter((line) => /unhandled|uncaught|ERR_|^\w*Error:|Maximum.*exceeded|leak/i.test(line));
}

/** How often each key was executed. */
export function executionsOf(
  executes: readonly { key: string | undefined }[],
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { key = "" } of executes) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** How many ends each job has in a run's journal, as the database has it. */
export async function journalledEnds(
  database: string,
  runId: string,
): Promise<Map<string, number>> {
  const client = new Client(database);
  await client.connect();
  try {
    const { rows } = await client.query<{ data: Buffer }>(
      "SELECT data FROM workflow.workflow_stream_chunks WHERE stream_id = $1 AND NOT eof",
      [`strm_${runId.replace(/^wrun_/, "")}_system_journal`],
    );
    const counts = new Map<string, number>();
    for (const line of rows.flatMap(({ data }) => data.toString().split("\n").filter(Boolean))) {
      const { type, jobId } = JSON.parse(line) as { type: string; jobId: string };
      if (/^job\.(?:completed|failed|timed_out)$/.test(type)) {
        counts.set(jobId, (counts.get(jobId) ?? 0) + 1);
      }
    }
    return counts;
  } finally {
    await client.end();
  }
}
