import { expect, test } from "vitest";
import { settled } from "./clock.ts";
import { ids, job, reply, server, setup, watch } from "./dispatcher.ts";

test("execute answers with the results, where they come from and how", async () => {
  const { dispatcher } = setup([server("a")]);
  expect(await dispatcher.execute({ id: "a" }, job, ids)).toEqual({
    jobId: "j1",
    server: "a",
    region: "eu",
    results: reply.results,
    attempts: [
      {
        number: 1,
        server: "a",
        startedAt: "2026-01-01T00:00:00.000Z",
        durationMs: 0,
        outcome: "answered",
      },
    ],
    durationMs: 0,
  });
});

test("execute calls the registered url and passes on job, key, attempt and timeout", async () => {
  const { dispatcher, calls } = setup([server("a")]);
  const passed = { id: "a", url: "http://evil" };
  await dispatcher.execute(passed, job, ids);
  expect(calls).toMatchObject([
    { server: server("a"), job, runId: "r1", idempotencyKey: "r1/j1", attempt: 1, timeout: 5000 },
  ]);
});

test("a job's own timeout wins", async () => {
  const { dispatcher, calls } = setup([server("a")]);
  await dispatcher.execute({ id: "a" }, { ...job, timeout: 7 }, ids);
  expect(calls[0]!.timeout).toBe(7);
});

test("execute refuses an unknown server", async () => {
  const { dispatcher } = setup([server("a")]);
  await expect(dispatcher.execute({ id: "x" }, job, ids)).rejects.toMatchObject({
    code: "UNKNOWN_SERVER",
  });
});

test("a place on a server that left meanwhile is freed", async () => {
  const { dispatcher, registry, leases } = setup([server("a"), server("b")]);
  const selected = await dispatcher.select([{ id: "a" }]);
  await registry.deregister("a");
  await expect(dispatcher.execute(selected, job, ids)).rejects.toMatchObject({
    code: "UNKNOWN_SERVER",
  });
  expect(leases.count("a")).toBe(0);
});

test("execute takes over the lease it is passed, and frees the place", async () => {
  let during = 0;
  const { dispatcher, leases } = setup([server("a")], async () => {
    during = leases.count("a");
    return reply;
  });
  const selected = await dispatcher.select(undefined);
  await dispatcher.execute(selected, job, ids);
  expect([during, leases.count("a")]).toEqual([1, 0]);
});

test("a place passed to two jobs counts for one of them; the other takes its own", async () => {
  const { dispatcher, leases, calls } = setup([server("a")], () => new Promise(() => {}));
  const selected = await dispatcher.select(undefined);
  void dispatcher.execute(selected, job, ids);
  void dispatcher.execute(selected, job, { ...ids, jobId: "j2" });
  await settled();
  expect([calls.length, leases.count("a")]).toEqual([2, 2]);
});

test("a place is held for as long as the attempt takes", async () => {
  const { clock, dispatcher, leases } = setup([server("a")], () => new Promise(() => {}), {
    timeout: 300_000,
  });
  void dispatcher.execute(await dispatcher.select(undefined), job, ids);
  await clock.advance(300_000);
  expect(leases.count("a")).toBe(1);
});

test("an attempt that crashed without a trace frees its place in the end", async () => {
  const { clock, dispatcher, leases } = setup([server("a")], () => new Promise(() => {}));
  void dispatcher.execute({ id: "a" }, job, ids);
  await clock.advance(5000 + 30_000);
  expect(leases.count("a")).toBe(0);
});

test("execute waits for room where the server it is passed is full", async () => {
  const { dispatcher, leases } = setup([server("a", "eu", { capacity: 1 })]);
  const lease = leases.acquire("a", { ttl: 30_000 })!;
  const seen = watch(dispatcher.execute({ id: "a" }, job, ids));
  await settled();
  expect(seen.value).toBeUndefined();
  leases.release(lease.id);
  await settled();
  expect(seen.value).toMatchObject({ server: "a" });
});

test("a job whose server's circuit opened meanwhile goes to another of its region", async () => {
  const { dispatcher, leases, open } = setup([server("a"), server("b", "us"), server("c")]);
  const selected = await dispatcher.select([{ id: "a" }]);
  await open("a");
  expect(await dispatcher.execute(selected, job, ids)).toMatchObject({ server: "c" });
  expect(leases.count("a")).toBe(0);
});

test("least-load gives more to the server whose jobs are short", async () => {
  const { clock, dispatcher, calls } = setup(
    [server("slow"), server("fast")],
    async ({ server }) => {
      await clock.sleep(server.id === "slow" ? 100 : 10);
      return reply;
    },
  );
  let left = 22;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await dispatcher.execute(await dispatcher.select(undefined), job, {
        ...ids,
        jobId: `j${left}`,
      });
    }
  };
  const done = Promise.all([worker(), worker()]);
  await clock.advance(500);
  await done;
  const slow = calls.filter(({ server }) => server.id === "slow").length;
  expect(slow).toBeLessThanOrEqual(3);
});

test("a server's capacity holds over any number of jobs at once", async () => {
  const running = new Map<string, number>();
  let most = 0;
  const { clock, dispatcher } = setup(
    [server("a", "eu", { capacity: 2 }), server("b", "eu", { capacity: 3 })],
    async ({ server }) => {
      running.set(server.id, (running.get(server.id) ?? 0) + 1);
      if (server.id === "a") most = Math.max(most, running.get("a")!);
      await clock.sleep(10);
      running.set(server.id, running.get(server.id)! - 1);
      return reply;
    },
  );
  const jobs = Array.from({ length: 50 }, async (_, n) =>
    dispatcher.execute(await dispatcher.select(undefined), job, { ...ids, jobId: `j${n}` }),
  );
  await clock.advance(200);
  const results = await Promise.all(jobs);
  expect(results).toHaveLength(50);
  expect(most).toBe(2);
});
