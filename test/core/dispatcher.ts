import { createDispatcher } from "../../src/core/dispatch.ts";
import { type ErrorCode, OrchestratorError } from "../../src/core/errors.ts";
import { createLeases } from "../../src/core/leases.ts";
import { createLoadBalancer } from "../../src/core/load-balancer.ts";
import { InMemoryServerRegistry } from "../../src/core/server-registry.ts";
import type { ExecuteRequest } from "../../src/types/executor.ts";
import type { RunnerJob } from "../../src/types/run.ts";
import type { RunnerExecuteReply } from "../../src/types/runner.ts";
import type { Server } from "../../src/types/server.ts";
import { createClock } from "./clock.ts";

type Execute = (request: ExecuteRequest) => Promise<RunnerExecuteReply>;

export const reply: RunnerExecuteReply = { results: [{ name: "a", status: "pass" }] };
export const job: RunnerJob = { url: "https://x.test", runners: ["a"] };
export const ids = { runId: "r1", jobId: "j1" };

export function server(id: string, region = "eu", more: Partial<Server> = {}): Server {
  return { id, url: `http://${id}`, region, ...more };
}

export function fail(code: ErrorCode, options = {}): OrchestratorError {
  return new OrchestratorError(code, `${code} happened`, { retryable: true, ...options });
}

export function setup(servers: Server[], execute: Execute = async () => reply, execution = {}) {
  const clock = createClock(Date.parse("2026-01-01T00:00:00Z"));
  const circuit = { failures: 2, cooldown: 1000 };
  const registry = new InMemoryServerRegistry({ servers, circuit, now: clock.now });
  const leases = createLeases(clock);
  const calls: ExecuteRequest[] = [];
  const dispatcher = createDispatcher({
    registry,
    leases,
    loadBalancer: createLoadBalancer("least-load"),
    executor: {
      name: "fake",
      execute: (request) => {
        calls.push(request);
        return execute(request);
      },
    },
    execution: { attempts: 3, timeout: 5000, wait: 60_000, ...execution },
    now: clock.now,
    random: () => 0.5,
    sleep: clock.sleep,
  });
  const open = async (id: string) => {
    await registry.report(id, { ok: false, error: "down" });
    await registry.report(id, { ok: false, error: "down" });
  };
  return { clock, registry, leases, dispatcher, calls, open };
}

/** What a promise came to, or `undefined` while it is pending. */
export function watch<T>(promise: Promise<T>): { value?: T; error?: any } {
  const seen: { value?: T; error?: unknown } = {};
  promise.then(
    (value) => (seen.value = value),
    (error: unknown) => (seen.error = error),
  );
  return seen;
}
