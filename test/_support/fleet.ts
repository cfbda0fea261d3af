import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { inject } from "vitest";
import { startServer, type TestServer, workDir } from "./app.ts";
import {
  type FakeRunnerServer,
  passing,
  type Received,
  startRunnerServer,
} from "./runner-server.ts";

/** Servers that one test starts, and that are stopped after it. */
export interface Fleet {
  runnerServer(reply?: Parameters<typeof startRunnerServer>[0]): Promise<FakeRunnerServer>;
  /** A built app; the fixture app in a folder of its own where nothing else is said. */
  orchestrator(
    env?: Record<string, string>,
    app?: { cwd?: string; output?: string },
  ): Promise<TestServer>;
  stop(): Promise<void>;
}

/** A fleet without any server yet. */
export function createFleet(): Fleet {
  const stops: (() => Promise<unknown>)[] = [];
  return {
    async runnerServer(reply) {
      const server = await startRunnerServer(reply);
      stops.push(server.close);
      return server;
    },
    async orchestrator(env = {}, { cwd = workDir(), output = inject("fixtureOutput") } = {}) {
      const server = await startServer(output, cwd, env);
      stops.push(() => server.stop("SIGKILL"));
      return server;
    },
    // The orchestrator first: it would report servers that vanish.
    async stop() {
      for (const stop of stops.splice(0).reverse()) await stop();
    },
  };
}

/** One server a region, named like it. */
export function regions(servers: Record<string, { url: string }>): { PLAYWRIGHT_RUNNERS: string } {
  const urls = Object.entries(servers).map(([region, { url }]) => [region, url]);
  return { PLAYWRIGHT_RUNNERS: JSON.stringify(Object.fromEntries(urls)) };
}

/** Servers by id, with all that a registry knows of them. */
export function registry(
  servers: Record<string, { url: string; region: string; capacity?: number }>,
): { ORCHESTRATOR_REGISTRY: string } {
  const list = Object.entries(servers).map(([id, server]) => Object.assign({ id }, server));
  return { ORCHESTRATOR_REGISTRY: JSON.stringify({ type: "in-memory", servers: list }) };
}

/** How many jobs are at the runner servers now, and how many at most. */
export interface Gauge {
  now: number;
  most: number;
}

/** A reply that takes its time and is counted while it does. */
export function counted(
  gauge: Gauge,
  ms = 20,
  reply: (received: Received, response: ServerResponse) => Promise<void> | void = passing,
): (received: Received, response: ServerResponse) => Promise<void> {
  return async (received, response) => {
    gauge.now++;
    gauge.most = Math.max(gauge.most, gauge.now);
    await delay(ms);
    gauge.now--;
    await reply(received, response);
  };
}
