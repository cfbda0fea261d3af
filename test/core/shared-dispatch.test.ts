import { expect, test } from "vitest";
import { createDispatcher } from "../../src/core/dispatch.ts";
import { createLeases } from "../../src/core/leases.ts";
import { createLoadBalancer } from "../../src/core/load-balancer.ts";
import { StorageServerRegistry } from "../../src/core/storage-registry.ts";
import type { ExecuteRequest } from "../../src/types/executor.ts";
import type { Server } from "../../src/types/server.ts";
import { createClock, type Clock } from "./clock.ts";
import { watch } from "./dispatcher.ts";
import { createTestStorage, type TestStorage } from "./shared-storage.ts";

/** A registry and leases as one process has them. */
function createDispatching(clock: Clock, storage: TestStorage, servers: Server[]) {
  const registry = new StorageServerRegistry({
    storage,
    servers,
    circuit: { failures: 1, cooldown: 1000 },
    now: clock.now,
    sleep: clock.sleep,
    note: () => {},
  });
  const leases = registry.shareLeases(createLeases(clock));
  return { registry, leases };
}

/** Two processes that send jobs to the same servers. */
function dispatching(servers: Server[], execute: (request: ExecuteRequest) => Promise<void>) {
  const clock = createClock();
  const storage = createTestStorage();
  const both = [1, 2].map(() => {
    const { registry, leases } = createDispatching(clock, storage, servers);
    const dispatcher = createDispatcher({
      registry,
      leases,
      loadBalancer: createLoadBalancer("least-load"),
      executor: {
        name: "test",
        async execute(request) {
          await execute(request);
          return { results: [{ name: "a", status: "pass" }] };
        },
      },
      execution: { attempts: 1, timeout: 5000, wait: 60_000 },
      now: clock.now,
      sleep: clock.sleep,
      random: Math.random,
    });
    return { registry, leases, dispatcher };
  });
  const dispatch = (index: number, jobId: string) =>
    both[index]!.dispatcher.dispatch(
      { url: "https://x.test", runners: ["a"], region: "eu" },
      { runId: "r", jobId },
    );
  return { clock, storage, both, dispatch };
}

const server = (id: string, capacity?: number): Server => ({
  id,
  url: `http://${id}`,
  region: "eu",
  ...(capacity !== undefined && { capacity }),
});

test("two never have more jobs at a server than it takes, and all of them done", async () => {
  let now = 0;
  let most = 0;
  const { clock, both, dispatch } = dispatching([server("s", 3)], async () => {
    most = Math.max(most, ++now);
    await clock.sleep(20);
    now--;
  });
  for (const { leases } of both) await leases.start();
  await clock.advance(2500);
  const done: string[] = [];
  const jobs = Array.from({ length: 60 }, async (_, job) => {
    const { jobId } = await dispatch(job % 2, `j${job}`);
    done.push(jobId);
  });
  for (let step = 0; done.length < 60 && step < 200; step++) await clock.advance(100);
  await Promise.all(jobs);
  expect(most).toBe(3);
});

test("they even out what servers have, though each sends to both by itself", async () => {
  const at: Record<string, number> = { s1: 0, s2: 0 };
  const { clock, both, dispatch } = dispatching([server("s1"), server("s2")], async (request) => {
    at[request.server.id]!++;
    await clock.sleep(100_000);
  });
  for (const { leases } of both) await leases.start();
  // Ten of one, all at s1: then the other's go to s2 alone until they are even.
  both[0]!.registry.report("s2", { ok: false, error: "down" });
  await clock.advance(300);
  for (let job = 0; job < 10; job++) void dispatch(0, `a${job}`);
  await clock.advance(500);
  expect(at).toEqual({ s1: 10, s2: 0 });
  await both[0]!.registry.report("s2", { ok: true });
  await clock.advance(1500);
  for (let job = 0; job < 10; job++) void dispatch(1, `b${job}`);
  await clock.advance(10);
  expect(at).toEqual({ s1: 10, s2: 10 });
});

test("they send one probe to a server whose circuit is half-open", async () => {
  let probes = 0;
  const { clock, both, dispatch } = dispatching([server("s")], async () => {
    probes++;
    await clock.sleep(5000);
  });
  for (const { leases } of both) await leases.start();
  await clock.advance(2500);
  await both[0]!.registry.report("s", { ok: false, error: "down" });
  await clock.advance(1500);
  for (let job = 0; job < 4; job++) void dispatch(job % 2, `j${job}`);
  await clock.advance(4000);
  expect(probes).toBe(1);
  // It is well: all the others go there too.
  await clock.advance(5000);
  expect(probes).toBe(4);
});

test("a job waits for the first server of its region, as long as for one that is down", async () => {
  const { clock, both, dispatch } = dispatching([], async () => {});
  const soon = watch(dispatch(0, "soon"));
  await clock.advance(5000);
  expect(soon).toEqual({});
  await both[1]!.registry.register(server("s"));
  await clock.advance(1500);
  expect(soon.value).toMatchObject({ server: "s" });
  await both[1]!.registry.deregister("s");
  await clock.advance(1500);
  const never = watch(dispatch(0, "never"));
  await clock.advance(61_000);
  expect(never.error).toMatchObject({
    code: "NO_SERVER_AVAILABLE",
    message: "No runner servers available for region eu: none registered (regions: none)",
  });
});

test.each([3, 2, 1])(
  "of %i places those with few jobs get their share, and all places are used",
  async (capacity) => {
    let now = 0;
    let most = 0;
    let busy = 0;
    const { clock, both, dispatch } = dispatching([server("s", capacity)], async () => {
      most = Math.max(most, ++now);
      await clock.sleep(100);
      busy += 100;
      now--;
    });
    for (const { leases } of both) await leases.start();
    await clock.advance(2500);
    const done: string[] = [];
    const many = Array.from({ length: 200 }, (_, job) => watch(dispatch(0, `many${job}`)));
    await clock.advance(1000);
    for (let job = 0; job < 5; job++) {
      void dispatch(1, `few${job}`).then(({ jobId }) => done.push(jobId));
    }
    await clock.advance(6000);
    expect(done).toHaveLength(5);
    expect(many.filter(({ value }) => value).length).toBeLessThan(200);
    expect(most).toBe(capacity);
    // What each hand-over costs is little.
    expect(busy / (7000 * capacity)).toBeGreaterThan(0.6);
  },
);
