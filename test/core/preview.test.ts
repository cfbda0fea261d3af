import { describe, expect, test } from "vitest";
import { createLeases } from "../../src/core/leases.ts";
import { createLoadBalancer } from "../../src/core/load-balancer.ts";
import { previewServers } from "../../src/core/preview.ts";
import { InMemoryServerRegistry } from "../../src/core/server-registry.ts";
import type { PlannedJob } from "../../src/types/run.ts";
import type { Server } from "../../src/types/server.ts";
import { server } from "./dispatcher.ts";

function jobIn(region: string | undefined, number = 1): PlannedJob {
  return {
    id: `job_${number}`,
    url: `https://x.test/${number}`,
    runners: [{ name: "a" }],
    ...(region !== undefined && { region }),
  };
}

function setup(servers: Server[]) {
  const registry = new InMemoryServerRegistry({
    servers,
    circuit: { failures: 1, cooldown: 10_000 },
  });
  const leases = createLeases();
  return {
    registry,
    leases,
    preview: (...jobs: PlannedJob[]) =>
      previewServers(jobs, {
        registry,
        leases,
        loadBalancer: createLoadBalancer("least-load"),
        now: Date.now,
        random: Math.random,
      }),
  };
}

describe("a preview", () => {
  test("counts each job as load for those after it", async () => {
    const { preview } = setup([server("a"), server("b")]);
    const places = await preview(...[1, 2, 3, 4].map((number) => jobIn("eu", number)));
    expect(places.map((place) => "server" in place && place.server).sort()).toEqual([
      "a",
      "a",
      "b",
      "b",
    ]);
  });

  test("takes no place, and counts those that are taken", async () => {
    const { leases, preview } = setup([server("a"), server("b")]);
    leases.acquire("a", { ttl: 1000 });
    expect(await preview(jobIn("eu"))).toEqual([{ server: "b" }]);
    expect(leases.count("b")).toBe(0);
  });

  test("stays in the job's region; a job without one may go anywhere", async () => {
    const { preview } = setup([server("a", "eu"), server("b", "us")]);
    expect(await preview(jobIn("us"))).toEqual([{ server: "b" }]);
    expect(await preview(jobIn(undefined))).toEqual([{ server: "a" }]);
  });

  test("says that a region has no server, and which have", async () => {
    const { preview } = setup([server("a", "eu"), server("b", "us")]);
    expect(await preview(jobIn("mars"))).toEqual([
      { reason: 'No runner URL found for region "mars". Available regions: eu, us' },
    ]);
  });

  test("says that there is no server at all", async () => {
    const { preview } = setup([]);
    expect(await preview(jobIn("eu"))).toEqual([
      {
        reason:
          "PLAYWRIGHT_RUNNERS environment variable is not set. Expected JSON object mapping regions to URLs.",
      },
    ]);
  });

  test("says that a server is full, or down", async () => {
    const { leases, registry, preview } = setup([
      server("a", "eu", { capacity: 1 }),
      server("b", "us"),
    ]);
    leases.acquire("a", { ttl: 1000 });
    await registry.report("b", { ok: false, error: "refused" });
    expect(await preview(jobIn("eu"), jobIn("us"))).toEqual([
      { reason: "No runner servers available for region eu: a is full (1 of 1 jobs)" },
      {
        reason: "No runner servers available for region us: the circuit of b is open (refused)",
      },
    ]);
  });
});
