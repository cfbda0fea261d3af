import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { finished, startRun } from "../_support/api.ts";
import { counted, createFleet, type Fleet, regions } from "../_support/fleet.ts";
import { passing, type Received } from "../_support/runner-server.ts";

let fleet: Fleet;
beforeEach(() => void (fleet = createFleet()));
afterEach(() => fleet.stop());

/** Jobs in the regions `eu` and `us` by turns. */
function jobsOf(count: number): { url: string; region: string; runners: string[] }[] {
  return Array.from({ length: count }, (_, index) => ({
    url: `https://x.test/${index}`,
    region: index % 2 === 0 ? "eu" : "us",
    runners: ["check"],
  }));
}

/** Calls a workflow of the fixture's and answers with what it returned. */
async function call(base: string, name: string, jobs: unknown[], options = {}): Promise<any> {
  const runId = await startRun(base, name, { jobs, options });
  const { status, body } = await finished(base, name, runId, 40);
  expect(status, JSON.stringify(body)).toBe(200);
  return { ...(Array.isArray(body) ? { all: body } : body), runId };
}

const pathOf = ({ body }: Received): string => new URL(body.url!).pathname.slice(1);

describe("fanOut", () => {
  test("200 jobs over 4 shards: 7 at once at the servers, never more, results in order", async () => {
    const gauge = { now: 0, most: 0 };
    const [eu, us] = [
      await fleet.runnerServer(counted(gauge)),
      await fleet.runnerServer(counted(gauge)),
    ];
    const app = await fleet.orchestrator(regions({ eu, us }));
    const jobs = jobsOf(200);
    const {
      state,
      summary,
      regions: byRegion,
      ...rest
    } = await call(app.url, "spread", jobs, {
      concurrency: 7,
    });
    expect(gauge).toEqual({ now: 0, most: 7 });
    expect({ state, summary }).toEqual({
      state: "completed",
      summary: { total: 200, passed: 200, failed: 0, errored: 0 },
    });
    expect(byRegion.us).toMatchObject({ jobs: 100, failedJobs: 0 });
    expect(rest.jobs.map((job: { url: string }) => job.url)).toEqual(jobs.map(({ url }) => url));
    expect(rest.jobs.map((job: { jobId: string }) => job.jobId)).toEqual(
      jobs.map((_, index) => `job-${index + 1}`),
    );
    expect(eu.executes).toHaveLength(100);
    expect(us.executes).toHaveLength(100);
  });

  test.each([0, 1, 60])("%i jobs", async (count) => {
    const eu = await fleet.runnerServer();
    const app = await fleet.orchestrator(regions({ eu, us: eu }));
    const { state, jobs } = await call(app.url, "spread", jobsOf(count));
    expect(state).toBe("completed");
    expect(jobs).toHaveLength(count);
    expect(eu.executes).toHaveLength(count);
  });

  test("failing, erring, refused and timed-out jobs are parts of the aggregate", async () => {
    const eu = await fleet.runnerServer((received, response) => {
      const path = pathOf(received);
      const answer = (status: string): void =>
        void response
          .setHeader("content-type", "application/json")
          .end(JSON.stringify({ json: { results: [{ name: "check", status }] } }));
      if (path === "hangs") return;
      if (path === "breaks") return void response.writeHead(500).end("broken");
      if (path === "refused") return void response.writeHead(400).end("{}");
      answer(path);
    });
    const app = await fleet.orchestrator(regions({ eu }));
    const paths = ["pass", "fail", "error", "hangs", "breaks", "refused", "no-url", "mars", "pass"];
    const jobs = paths.map((path, index) => ({
      id: `${path}-${index}`,
      url: path === "no-url" ? "nowhere" : `https://x.test/${path}`,
      region: path === "mars" ? "mars" : "eu",
      runners: ["check"],
      ...(path === "hangs" && { timeout: 300 }),
    }));
    const aggregate = await call(app.url, "spread", jobs);
    const jobOf = (index: number): any => aggregate.jobs[index];
    expect(aggregate.jobs.map((job: { jobId: string }) => job.jobId)).toEqual(
      jobs.map(({ id }) => id),
    );
    expect(aggregate.jobs.map((job: { state: string }) => job.state).join(" ")).toBe(
      "completed completed completed timed_out failed failed failed failed completed",
    );
    expect(aggregate.state).toBe("timed_out");
    expect(aggregate.summary).toEqual({ total: 4, passed: 2, failed: 1, errored: 1 });
    expect(jobOf(3).attempts.length).toBeGreaterThan(0);
    expect(jobOf(4).attempts).toHaveLength(3);
    expect(jobOf(6).error).toMatch(/job\.url must be an absolute http\(s\) URL/);
    expect(jobOf(7).error).toContain('No runner URL found for region "mars"');
  });

  test("failurePolicy decides the aggregate's state", async () => {
    const eu = await fleet.runnerServer((received, response) =>
      pathOf(received) === "0"
        ? passing(received, response)
        : void response
            .setHeader("content-type", "application/json")
            .end('{"json":{"results":[{"name":"check","status":"fail"}]}}'),
    );
    const app = await fleet.orchestrator(regions({ eu, us: eu }));
    const states = await Promise.all(
      ["all", "any", { quorum: 1 }, { quorum: 2 }, { allowFailures: 2 }, { allowFailures: 1 }].map(
        async (failurePolicy) =>
          (await call(app.url, "spread", jobsOf(3), { failurePolicy })).state,
      ),
    );
    const none = await call(app.url, "spread", jobsOf(3));
    expect(states.join(" ")).toBe("failed completed completed failed completed failed");
    expect(none.state).toBe("completed");
  });

  test("timeout covers all jobs together: what has not ended then is timed out", async () => {
    const eu = await fleet.runnerServer((received, response) => {
      if (Number(pathOf(received)) < 2) passing(received, response);
    });
    const app = await fleet.orchestrator(regions({ eu, us: eu }));
    const aggregate = await call(app.url, "spread", jobsOf(8), { timeout: 1500, concurrency: 3 });
    expect(aggregate.state).toBe("timed_out");
    expect(aggregate.jobs.map((job: { state: string }) => job.state)).toEqual([
      "completed",
      "completed",
      ...Array.from({ length: 6 }, () => "timed_out"),
    ]);
    expect(aggregate.jobs[7].error).toBe("The run's timeout passed");
    // Jobs that had no turn in time were never sent.
    expect(eu.executes).toHaveLength(5);
  });

  test("executor local executes the app's own runners, and sends nothing", async () => {
    const page = await fleet.runnerServer();
    const app = await fleet.orchestrator(regions({ eu: page }));
    const { jobs, summary } = await call(
      app.url,
      "spread",
      [
        {
          id: "a",
          url: `${page.url}/info`,
          runners: [{ name: "greets", input: { word: "count" } }],
        },
        { id: "b", url: `${page.url}/info`, runners: ["greets"] },
        { id: "c", url: `${page.url}/info`, runners: ["zzz"] },
      ],
      { executor: "local", concurrency: 1 },
    );
    expect(summary).toMatchObject({ passed: 1, failed: 1 });
    expect(jobs[0]).toMatchObject({ jobId: "a", server: "local", state: "completed" });
    expect(jobs[2]).toMatchObject({
      state: "failed",
      error: "Runners not found: zzz. Available runners: greets",
    });
    expect(page.executes).toEqual([]);
  });
});
