import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { finished, startRun, until } from "../_support/api.ts";
import { createApp, root, startServer, type TestApp, workDir } from "../_support/app.ts";
import { passing, type Received, startRunnerServer } from "../_support/runner-server.ts";

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

/** Puts the built package into an app as if that version had been installed. */
async function install(app: TestApp, version: string): Promise<void> {
  const target = join(app.dir, "node_modules/@runners/orchestrator");
  await rm(target, { recursive: true, force: true });
  await cp(join(root, "dist"), join(target, "dist"), { recursive: true });
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as object;
  await writeFile(join(target, "package.json"), JSON.stringify({ ...manifest, version }));
}

test("a run in flight survives an upgrade of this package", async () => {
  const app = await createApp({ from: join(root, "test/fixture/app"), linked: false });
  stops.push(app.remove);
  const released = new Set<string>();
  const runner = await startRunnerServer(async (received: Received, response) => {
    await until(() => released.has("go"), 60_000);
    passing(received, response);
  });
  stops.push(runner.close);
  const env = { PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runner.url }) };
  const cwd = workDir();

  await install(app, "7.0.0");
  expect((await app.build()).code).toBe(0);
  const before = await startServer(join(app.dir, ".output"), cwd, env);
  stops.push(() => before.stop("SIGKILL"));
  const jobs = [{ id: "one", runners: ["a"], region: "eu" }];
  const runId = await startRun(before.url, "orchestrateRunners", { jobs });
  await until(() => runner.executes.length === 1);
  await before.stop("SIGKILL");

  await install(app, "8.1.2");
  expect((await app.build()).code).toBe(0);
  const after = await startServer(join(app.dir, ".output"), cwd, env);
  stops.push(() => after.stop("SIGKILL"));
  await until(() => runner.executes.length === 2);
  released.add("go");
  const { status, body } = await finished(after.url, "orchestrateRunners", runId);
  expect({ status, state: body.state }).toEqual({ status: 200, state: "completed" });
  // The server was asked again under the key it knows, so that it can answer from the first time.
  expect(runner.executes.map(({ key }) => key)).toEqual([`${runId}/one`, `${runId}/one`]);
});
