import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, inject, test } from "vitest";
import { finished, send, startRun, until } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";

const servers: TestServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop("SIGKILL")));
});

async function start(cwd: string): Promise<TestServer> {
  const server = await startServer(inject("fixtureOutput"), cwd);
  servers.push(server);
  return server;
}

async function marks(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.split("\n").filter(Boolean);
}

/** Waits until a run of `sleepily` has its first step behind it. */
async function asleep({ url }: TestServer, runId: string): Promise<void> {
  await until(async () => {
    const { body } = await send(`${url}/api/orchestrator/runs/${runId}/checkpoints`);
    return body.checkpoints?.length === 1;
  });
}

test("kill -9 during a step: after a restart the step runs again and the run ends", async () => {
  const cwd = workDir();
  const file = join(cwd, "marks");
  const first = await start(cwd);
  const runId = await startRun(first.url, "slowly", { args: [file, 3000] });
  await until(async () => (await marks(file)).includes("linger"));
  await first.stop("SIGKILL");
  const second = await start(cwd);
  const { status, body } = await finished(second.url, "slowly", runId);
  expect({ status, body }).toEqual({ status: 200, body: "done" });
  // The step that had ended is not repeated; the one that was cut off is.
  expect(await marks(file)).toEqual(["step", "linger", "linger", "end"]);
});

test("kill -9 during a sleep: after a restart the sleep ends when it was to end", async () => {
  const cwd = workDir();
  const file = join(cwd, "marks");
  const first = await start(cwd);
  const runId = await startRun(first.url, "sleepily", { args: [file, 4000] });
  const began = Date.now();
  await asleep(first, runId);
  await first.stop("SIGKILL");
  const second = await start(cwd);
  const { status, body } = await finished(second.url, "sleepily", runId);
  expect({ status, body }).toEqual({ status: 200, body: "done" });
  expect(Date.now() - began).toBeGreaterThan(3500);
  expect(await marks(file)).toEqual(["before", "after"]);
});

test("SIGTERM with a run asleep: the process ends with 0, and the run after a restart", async () => {
  const cwd = workDir();
  const file = join(cwd, "marks");
  const first = await start(cwd);
  const runId = await startRun(first.url, "sleepily", { args: [file, 5000] });
  await asleep(first, runId);
  expect(await first.stop("SIGTERM")).toBe(0);
  const second = await start(cwd);
  expect((await finished(second.url, "sleepily", runId)).body).toBe("done");
  expect(await marks(file)).toEqual(["before", "after"]);
});

test("a second process on the same folder is refused, and the first goes on", async () => {
  const cwd = workDir();
  const first = await start(cwd);
  const second = startServer(inject("fixtureOutput"), cwd);
  const output = await second.then(
    async (server) => {
      servers.push(server);
      await server.printed(/cannot start/);
      expect(await server.stop()).toBe(1);
      return server.output();
    },
    (error: Error) => error.message,
  );
  expect(output).toContain("[orchestrator] cannot start: the World in ");
  expect(output).toContain(`is in use by process ${first.child.pid}`);
  expect(output).toContain("ORCHESTRATOR_DATA_DIR");
  const runId = await startRun(first.url, "echo", { input: "still here" });
  expect((await finished(first.url, "echo", runId)).body[0]).toBe("still here");
});
