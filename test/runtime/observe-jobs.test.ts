import { expect, onTestFinished, test, vi } from "vitest";
import { createDispatcher } from "../../src/core/dispatch.ts";
import { OrchestratorError } from "../../src/core/errors.ts";
import { createLeases } from "../../src/core/leases.ts";
import { createLoadBalancer } from "../../src/core/load-balancer.ts";
import { InMemoryServerRegistry } from "../../src/core/server-registry.ts";
import { plainTracing } from "../../src/core/trace.ts";
import { randomHex } from "../../src/http/observe.ts";
import { createLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { observeJobs } from "../../src/runtime/observe-jobs.ts";
import { createDurations } from "../../src/runtime/durations.ts";
import { createInFlight } from "../../src/runtime/in-flight.ts";
import { createShards } from "../../src/runtime/shards.ts";
import type { ExecuteRequest } from "../../src/types/executor.ts";
import type { RunnerExecuteReply } from "../../src/types/runner.ts";
import type { Server } from "../../src/types/server.ts";
import { lintMetrics, parseMetrics, promtool, valueOf } from "../_support/metrics.ts";
import { until } from "../_support/api.ts";
import { createRun, openWorld } from "../world/support.ts";
import { gate, journalsOn, planned, shardOf } from "./support.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const answer: RunnerExecuteReply = { results: [{ name: "check", status: "pass" }] };

/** Shards on a World, whose jobs are observed, and whose servers this executes for. */
async function setup(servers: Server[], execute: (request: ExecuteRequest) => Promise<void>) {
  const registry = new InMemoryServerRegistry({ servers, circuit: { failures: 1 } });
  const metrics = createMetrics();
  const jobs = observeJobs({
    log: createLog(),
    metrics,
    tracing: plainTracing(randomHex),
    traceOf: async () => ({ traceparent: `00-${traceId}-b7ad6b7169203331-01` }),
  });
  jobs.knowRegions(servers.map(({ region }) => region));
  metrics.start({ waiting: jobs.waiting, servers: () => registry.list() });
  const calls: ExecuteRequest[] = [];
  const dispatcher = createDispatcher({
    registry,
    leases: createLeases(),
    loadBalancer: createLoadBalancer("least-load"),
    execution: { attempts: 2, timeout: 5000, wait: 300 },
    aroundAttempt: jobs.aroundAttempt,
    executor: {
      name: "fake",
      async execute(request) {
        calls.push(request);
        await execute(request);
        return answer;
      },
    },
  });
  const world = await openWorld();
  const runId = await createRun(world);
  let endRun = (): void => undefined;
  const shards = createShards({
    journals: journalsOn(world),
    durations: createDurations(),
    inFlight: createInFlight(),
    input: () => Promise.reject(new Error("not asked for")),
    runners: {
      redis: notUsed,
      postgres: notUsed,
      k8s: notUsed,
      remote: jobs.remote(dispatcher.dispatch),
      local: jobs.local(async (_job, { jobId }) => ({
        jobId,
        server: "local",
        attempts: [],
        durationMs: 1,
        ...answer,
      })),
    },
    onJobEnd: jobs.ended,
    onRunEnd: (_runId, callback) => {
      endRun = callback;
      return () => undefined;
    },
  });
  const scrape = async () => parseMetrics((await metrics.text()).text);
  return { shards, runId, calls, scrape, metrics, jobs, dispatcher, endRun: () => endRun() };
}

const server = (id: string, region: string, capacity?: number): Server => ({
  id,
  url: `http://${id}.test:8080/api/runner`,
  region,
  ...(capacity !== undefined && { capacity }),
});

test("a job that waits for a server is counted with its age, until its attempt begins", async () => {
  const [first, second] = [gate(), gate()];
  const { shards, runId, scrape, calls } = await setup(
    [server("a", "eu", 1)],
    async ({ attempt, job }) => {
      expect(attempt).toBe(1);
      if (job.url?.endsWith("/1")) await first.opened;
      else await second.opened;
    },
  );
  const jobs = planned("1", "2", "3").map((job) => ({ ...job, region: "eu" }));
  const reply = shards.execute(runId, shardOf(jobs));
  await until(async () => valueOf(await scrape(), "orchestrator_jobs_waiting") === 2);
  const before = await scrape();
  expect(valueOf(before, "orchestrator_jobs_in_flight", { region: "eu", server: "a" })).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const age = valueOf(await scrape(), "orchestrator_oldest_waiting_job_age_seconds")!;
  expect(age).toBeGreaterThanOrEqual(0.03);
  expect(age).toBeLessThan(10);
  first.open();
  await until(async () => valueOf(await scrape(), "orchestrator_jobs_waiting") === 1);
  second.open();
  expect((await reply).counts).toMatchObject({ completed: 3 });
  const after = await scrape();
  expect(valueOf(after, "orchestrator_jobs_waiting")).toBe(0);
  expect(valueOf(after, "orchestrator_oldest_waiting_job_age_seconds")).toBe(0);
  expect(valueOf(after, "orchestrator_jobs_in_flight", { server: "a" })).toBe(0);
  expect(valueOf(after, "orchestrator_job_queue_wait_seconds_count")).toBe(3);
  const waited = valueOf(after, "orchestrator_job_queue_wait_seconds_sum")!;
  expect(waited).toBeGreaterThanOrEqual(0.06);
  expect(valueOf(after, "orchestrator_jobs_total", { region: "eu", state: "completed" })).toBe(3);
  const served = { region: "eu", server: "a" };
  expect(valueOf(after, "orchestrator_job_duration_seconds_count", served)).toBe(3);
  expect(calls).toHaveLength(3);
});

test("attempts carry their run's trace, each with a span of its own, and a failure opens a circuit", async () => {
  const { shards, runId, scrape, calls } = await setup(
    [server("a", "eu"), server("b", "eu")],
    async ({ attempt }) => {
      if (attempt === 1) throw new OrchestratorError("SERVER_ERROR", "500", { retryable: true });
    },
  );
  const [job] = planned("1");
  await shards.execute(runId, shardOf([{ ...job!, region: "eu" }]));
  const sent = calls.map(({ trace }) => trace!.traceparent.split("-"));
  expect(sent.map(([, trace]) => trace)).toEqual([traceId, traceId]);
  expect(new Set(sent.map(([, , span]) => span)).size).toBe(2);
  const families = await scrape();
  const failed = calls[0]!.server.id;
  const circuit = (id: string, state: string) =>
    valueOf(families, "orchestrator_server_circuit", { server: id, state });
  expect([circuit(failed, "open"), circuit(failed, "closed")]).toEqual([1, 0]);
  const served = { server: calls[1]!.server.id, region: "eu" };
  expect(valueOf(families, "orchestrator_job_duration_seconds_count", served)).toBe(1);
});

test("whatever regions callers name, the labels are few", async () => {
  const { shards, runId, scrape } = await setup([server("a", "eu")], async () => undefined);
  const jobs = Array.from({ length: 40 }, (_, index) => ({
    ...planned(`${index}`)[0]!,
    region: `mars-${index}`,
  }));
  await shards.execute(runId, shardOf(jobs));
  await shards.execute(
    runId,
    shardOf(
      jobs.map((job) => ({ ...job, id: `l${job.id}` })),
      { mode: "local", group: 1 },
    ),
  );
  await shards.execute(runId, shardOf(planned("plain"), { group: 2 }));
  const { samples } = (await scrape()).get("orchestrator_jobs_total")!;
  expect(samples.map(({ labels, value }) => [labels["region"], labels["state"], value])).toEqual(
    expect.arrayContaining([
      ["other", "failed", 40],
      ["other", "completed", 40],
      ["eu", "completed", 1],
    ]),
  );
  expect(samples).toHaveLength(3);
});

test("jobs that a run's end cuts off before their turn are counted as cancelled", async () => {
  const { shards, runId, scrape, endRun } = await setup(
    [server("a", "eu")],
    ({ signal }) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  );
  const reply = shards.execute(runId, shardOf(planned("1", "2", "3"), { window: 1 }));
  await until(
    async () => valueOf(await scrape(), "orchestrator_jobs_in_flight", { server: "a" }) === 1,
  );
  endRun();
  await reply;
  const families = await scrape();
  expect(valueOf(families, "orchestrator_jobs_total", { state: "cancelled" })).toBe(3);
  expect(valueOf(families, "orchestrator_jobs_in_flight", { server: "a" })).toBe(0);
});

test("a job of no shard is counted too", async () => {
  const { jobs, dispatcher, scrape } = await setup([server("a", "eu")], async ({ job }) => {
    if (job.url === "no") throw new OrchestratorError("RUNNER_NOT_FOUND", "no such runner");
  });
  const alone = jobs.alone(dispatcher);
  const execute = (url: string) =>
    alone.execute(
      { id: "a" },
      { url, runners: ["a"], region: "eu" },
      { runId: "direct_1", jobId: url },
    );
  await execute("yes");
  await expect(execute("no")).rejects.toMatchObject({ code: "RUNNER_NOT_FOUND" });
  const families = await scrape();
  const count = (state: string) =>
    valueOf(families, "orchestrator_jobs_total", { region: "eu", state });
  expect([count("completed"), count("failed")]).toEqual([1, 1]);
});

test("a job of no shard that its run's end cuts off is cancelled; one that is handed back has not ended", async () => {
  const { jobs, dispatcher, scrape } = await setup(
    [server("a", "eu")],
    ({ signal }) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  );
  const alone = jobs.alone(dispatcher);
  const inFlight = createInFlight();
  const executing = ["cancelled", "handed back"].map((jobId) => {
    const runEnd = new AbortController();
    const job = { runners: ["a"], region: "eu" };
    const ended = inFlight.run(runEnd.signal, (place) =>
      alone.execute({ id: "a" }, job, { runId: "direct_1", jobId, ...place }),
    );
    return { runEnd, ended };
  });
  const attempts = async () =>
    valueOf(await scrape(), "orchestrator_jobs_in_flight", { server: "a" });
  await until(async () => (await attempts()) === 2);
  executing[0]!.runEnd.abort(new Error("the run has ended"));
  await expect(executing[0]!.ended).rejects.toThrow("the run has ended");
  await inFlight.drain(0);
  await until(async () => (await attempts()) === 0);
  const { samples } = (await scrape()).get("orchestrator_jobs_total")!;
  expect(samples.map(({ labels, value }) => [labels["state"], value])).toEqual([["cancelled", 1]]);
});

test("two servers of one process have metrics of their own, which promtool finds nothing wrong with", async () => {
  const one = await setup([server("a", "eu")], async () => undefined);
  const other = await setup([server("b", "us")], async () => undefined);
  await one.shards.execute(one.runId, shardOf(planned("1")));
  one.metrics.runStarted("greet");
  one.metrics.runEnded("greet", "completed");
  one.metrics.eventStreams.inc();
  one.metrics.request({ method: "GET", route: "/runs", status: 200, seconds: 0.1 });
  const { text } = await one.metrics.text();
  const families = parseMetrics(text);
  expect(valueOf(families, "orchestrator_event_streams")).toBe(1);
  expect(families.has("process_cpu_seconds_total")).toBe(true);
  expect(valueOf(await other.scrape(), "orchestrator_event_streams")).toBe(0);
  expect((await other.scrape()).get("orchestrator_jobs_total")!.samples).toEqual([]);
  expect(lintMetrics(text)).toEqual([]);
  expect(promtool(text) ?? "").toBe("");
});

test("what the process's own metrics are measured with is there once, however often a server starts", async () => {
  await setup([server("a", "eu")], async () => undefined);
  const observe = vi.spyOn(PerformanceObserver.prototype, "observe");
  onTestFinished(() => observe.mockRestore());
  const { scrape } = await setup([server("b", "eu")], async () => undefined);
  expect(observe).not.toHaveBeenCalled();
  expect((await scrape()).has("nodejs_gc_duration_seconds")).toBe(true);
});

test("a registry that is out of reach leaves out its servers, and nothing else", async () => {
  const metrics = createMetrics();
  metrics.start({
    waiting: () => ({ jobs: 0, oldestSeconds: 0 }),
    servers: () => Promise.reject(new Error("down")),
  });
  const families = parseMetrics((await metrics.text()).text);
  expect(families.get("orchestrator_server_circuit")!.samples).toEqual([]);
  expect(valueOf(families, "orchestrator_jobs_waiting")).toBe(0);
});

test("the rules by which metrics are looked at find what promtool finds", () => {
  const bad = `# TYPE jobs counter
jobs 1
# HELP wait_ms Wait.
# TYPE wait_ms gauge
wait_ms 1
# HELP runs_total Runs.
# TYPE runs_total gauge
runs_total{someLabel="x"} 1
`;
  expect(lintMetrics(bad)).toEqual([
    "jobs has no help text",
    "jobs is a counter without _total",
    "wait_ms has an abbreviated unit: ms",
    "runs_total is no counter and ends with _total",
    "runs_total has a label that is not in snake_case: someLabel",
  ]);
});

function notUsed(): Promise<never> {
  return Promise.reject(new Error("not used"));
}
