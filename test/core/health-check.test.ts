import { expect, test, vi } from "vitest";
import { type Probe, startHealthCheck } from "../../src/core/health-check.ts";
import { InMemoryServerRegistry } from "../../src/core/server-registry.ts";
import { createClock } from "./clock.ts";

const servers = ["a", "b"].map((id) => ({ id, url: `http://${id}`, region: "eu" }));
const never = () => new Promise<void>(() => {});

function setup(probe: Probe, random = 0.5) {
  const clock = createClock();
  const circuit = { failures: 2, cooldown: 1_000_000 };
  const registry = new InMemoryServerRegistry({ servers, circuit, now: clock.now });
  const options = {
    registry,
    interval: 100,
    timeout: 50,
    sleep: clock.sleep,
    random: () => random,
  };
  return { clock, registry, check: startHealthCheck({ ...options, probe }) };
}

test("probes every server at once, now and in each interval", async () => {
  const probe = vi.fn<Probe>(async () => {});
  const { clock, check } = setup(probe);
  await clock.advance(0);
  expect(probe.mock.calls.map(([server]) => server.id)).toEqual(["a", "b"]);
  await clock.advance(100);
  expect(probe).toHaveBeenCalledTimes(4);
  check.stop();
});

test("a healthy probe is a sign of life and closes the circuit", async () => {
  const { clock, registry, check } = setup(async () => {});
  await registry.report("a", { ok: false, error: "x" });
  await registry.report("a", { ok: false, error: "x" });
  await clock.advance(0);
  expect((await registry.list())[0]).toMatchObject({ circuit: "closed", lastSeenAt: clock.now() });
  check.stop();
});

test("failing probes open the circuit of their server only", async () => {
  const { clock, registry, check } = setup(async ({ id }) => {
    if (id === "a") throw new Error("sick");
  });
  await clock.advance(100);
  expect(await registry.list()).toMatchObject([
    { circuit: "open", lastError: "sick" },
    { circuit: "closed" },
  ]);
  check.stop();
});

test("a probe that takes too long fails and is aborted", async () => {
  const signals: AbortSignal[] = [];
  const { clock, registry, check } = setup((_, signal) => {
    signals.push(signal);
    return never();
  });
  await clock.advance(49);
  expect((await registry.list())[0]).not.toHaveProperty("lastError");
  await clock.advance(1);
  expect((await registry.list())[0]).toMatchObject({ lastError: "No answer within 50 ms" });
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  check.stop();
});

test("a server is not probed again while a probe of it goes on", async () => {
  const probe = vi.fn<Probe>(({ id }) => (id === "a" ? never() : Promise.resolve()));
  const { clock, check } = setup(probe);
  await clock.advance(300);
  const count = (id: string) => probe.mock.calls.filter(([server]) => server.id === id).length;
  expect([count("a"), count("b")]).toEqual([1, 4]);
  check.stop();
});

test.each([
  [0, 90],
  [0.5, 100],
  [1, 110],
])("randomness of %d makes the interval %d ms", async (random, interval) => {
  const probe = vi.fn<Probe>(async () => {});
  const { clock, check } = setup(probe, random);
  await clock.advance(interval - 1);
  expect(probe).toHaveBeenCalledTimes(2);
  await clock.advance(1);
  expect(probe).toHaveBeenCalledTimes(4);
  check.stop();
});

test("a registry that fails once does not end the check", async () => {
  const probe = vi.fn<Probe>(async () => {});
  const { clock, registry, check } = setup(probe);
  vi.spyOn(registry, "list").mockRejectedValueOnce(new Error("gone"));
  await clock.advance(200);
  expect(probe.mock.calls.length).toBeGreaterThanOrEqual(4);
  check.stop();
});

test("stop aborts the probes in flight, reports nothing and leaves no sleeper", async () => {
  const { clock, registry, check } = setup(never);
  const report = vi.spyOn(registry, "report");
  await clock.advance(10);
  check.stop();
  await clock.advance(1000);
  expect(report).not.toHaveBeenCalled();
  expect(clock.pending()).toBe(0);
});
