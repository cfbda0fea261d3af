import { expect, test } from "vitest";
import { createPull } from "../../src/core/pull.ts";
import { plainTracing } from "../../src/core/trace.ts";
import { randomHex } from "../../src/http/observe.ts";
import { createLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { observeJobs } from "../../src/runtime/observe-jobs.ts";
import type { RunnerExecuteReply } from "../../src/types/runner.ts";
import { until } from "../_support/api.ts";
import { parseMetrics, valueOf } from "../_support/metrics.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const answer: RunnerExecuteReply = { results: [{ name: "check", status: "pass" }] };

test("a job that workers pull counts under its queue, from when one has begun it", async () => {
  const metrics = createMetrics();
  const jobs = observeJobs({
    log: createLog(),
    metrics,
    tracing: plainTracing(randomHex),
    traceOf: async () => ({ traceparent: `00-${traceId}-b7ad6b7169203331-01` }),
  });
  metrics.start({ waiting: jobs.waiting, servers: async () => [] });
  const scrape = async () => parseMetrics((await metrics.text()).text);
  let begin = (): void => undefined;
  let end = (): void => undefined;
  let trace: string | undefined;
  const pull = createPull({
    execution: { attempts: 1, timeout: 5000, wait: 5000 },
    aroundAttempt: jobs.aroundAttempt,
    executor: {
      name: "redis",
      execute(request) {
        trace = request.trace?.traceparent;
        begin = () => request.onStart?.("worker-1");
        return new Promise((resolve) => (end = () => resolve(answer)));
      },
    },
  });
  const context = { runId: "run_1", jobId: "job_1" };
  const ending = jobs.remote(pull)({ runners: ["a"], region: "eu" }, context);
  await until(() => trace !== undefined);
  expect(trace).toContain(traceId);
  const inFlight = async () =>
    valueOf(await scrape(), "orchestrator_jobs_in_flight", { region: "eu", server: "redis/eu" });
  expect(await inFlight()).toBeUndefined();
  begin();
  expect(await inFlight()).toBe(1);
  end();
  expect((await ending).server).toBe("worker-1");
  expect(await inFlight()).toBe(0);
  const families = await scrape();
  expect(valueOf(families, "orchestrator_job_duration_seconds_count", { server: "redis/eu" })).toBe(
    1,
  );
  expect(valueOf(families, "orchestrator_job_queue_wait_seconds_count")).toBe(1);
});
