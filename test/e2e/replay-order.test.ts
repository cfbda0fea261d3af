import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { finished, startRun } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";
import { type FakeRunnerServer, startRunnerServer } from "../_support/runner-server.ts";

let server: TestServer;
let runner: FakeRunnerServer;

beforeAll(async () => {
  // Answers with what it was asked, so that a result in the wrong place shows.
  runner = await startRunnerServer(({ body }, response) => {
    const results = [{ name: "a", status: "pass", details: { url: body.url } }];
    response
      .setHeader("content-type", "application/json")
      .end(JSON.stringify({ json: { results } }));
  });
  server = await startServer(inject("fixtureOutput"), workDir(), {
    PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runner.url }),
  });
});

afterAll(async () => {
  await server.stop("SIGKILL");
  await runner.close();
});

test("parallel jobs of a run never get each other's results, in 8 runs of 12 jobs", async () => {
  const jobs = Array.from({ length: 12 }, (_, i) => ({
    id: `job-${i}`,
    url: `http://127.0.0.1/${i}`,
    runners: ["a"],
  }));
  for (let round = 0; round < 2; round++) {
    const runs = await Promise.all(
      Array.from({ length: 4 }, () =>
        startRun(server.url, "orchestrateRunners", { jobs, options: { maxConcurrency: 6 } }),
      ),
    );
    const ends = await Promise.all(
      runs.map((id) => finished(server.url, "orchestrateRunners", id)),
    );
    for (const { status, body } of ends) {
      expect(status, JSON.stringify(body)).toBe(200);
      expect(body.jobs.map((job: any) => job.results[0]?.details.url)).toEqual(
        jobs.map(({ url }) => url),
      );
    }
  }
  // Each job was executed once: no step was lost and found again under another's name.
  expect(runner.executes).toHaveLength(8 * 12);
});
