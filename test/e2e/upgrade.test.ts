import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { finished, send, startRun, until } from "../_support/api.ts";
import { createApp, root, startServer, type TestApp, workDir } from "../_support/app.ts";
import { startReceiver } from "../_support/receiver.ts";
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

test("runs in flight survive an upgrade of this package", async () => {
  const app = await createApp({ from: join(root, "test/fixture/app"), linked: false });
  stops.push(app.remove);
  const released = new Set<string>();
  const runner = await startRunnerServer(async (received: Received, response) => {
    const atOnce = received.body.url?.endsWith("/first") ?? false;
    await until(() => atOnce || released.has("go"), 60_000);
    passing(received, response);
  });
  stops.push(runner.close);
  const receiver = await startReceiver();
  stops.push(receiver.close);
  const env = {
    PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runner.url }),
    ORCHESTRATOR_CALLBACK_HOSTS: "127.0.0.1",
  };
  const cwd = workDir();

  await install(app, "7.0.0");
  expect((await app.build()).code).toBe(0);
  const before = await startServer(join(app.dir, ".output"), cwd, env);
  stops.push(() => before.stop("SIGKILL"));
  const jobs = [{ id: "one", runners: ["a"], region: "eu" }];
  const runId = await startRun(before.url, "orchestrateRunners", { jobs });
  // And a run over regions with a callback, whose workflows and steps are this package's own.
  const regional = {
    mode: "remote",
    runId: "regional",
    concurrency: 1,
    callback: { url: receiver.url },
    runners: ["first", "held", "last"].map((path) => ({
      name: "check",
      region: "eu",
      input: { url: `https://x.test/${path}` },
    })),
  };
  expect((await send(`${before.url}/api/orchestrator/runs`, regional)).status).toBe(201);
  await until(() => runner.executes.length === 3);
  await until(
    async () =>
      (await send(`${before.url}/api/orchestrator/regional/status`)).body.completedJobs === 1,
  );
  await before.stop("SIGKILL");

  await install(app, "8.1.2");
  expect((await app.build()).code).toBe(0);
  const after = await startServer(join(app.dir, ".output"), cwd, env);
  stops.push(() => after.stop("SIGKILL"));
  await until(() => runner.executes.length === 5);
  released.add("go");
  const { status, body } = await finished(after.url, "orchestrateRunners", runId);
  expect({ status, state: body.state }).toEqual({ status: 200, state: "completed" });
  // The server was asked again under the key it knows, so that it can answer from the first time.
  const keys = runner.executes.map(({ key }) => key);
  expect(keys.filter((key) => key?.startsWith(runId))).toEqual([`${runId}/one`, `${runId}/one`]);

  const results = await send(`${after.url}/api/orchestrator/regional?wait=25`);
  expect(results.body).toMatchObject({
    state: "completed",
    outcome: "pass",
    summary: { total: 3, passed: 3 },
  });
  await until(() => receiver.deliveries.length > 0);
  expect(receiver.deliveries[0]!.body.data.run.id).toBe("regional");
  const [first, held, last] = (results.body.jobs as { jobId: string }[]).map(
    ({ jobId }) => `regional/${jobId}`,
  );
  expect(
    runner.executes.map(({ key }) => key).filter((key) => key?.startsWith("regional/")),
  ).toEqual([first, held, held, last]);
});
