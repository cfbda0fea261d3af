import { expect, test } from "vitest";
import { InMemoryServerRegistry } from "../../src/core/server-registry.ts";
import { createClock } from "./clock.ts";

const a = { id: "a", url: "http://a", region: "eu" };
const b = { id: "b", url: "http://b", region: "us" };

function setup() {
  const clock = createClock(1000);
  const circuit = { failures: 2, cooldown: 100 };
  return {
    clock,
    registry: new InMemoryServerRegistry({ servers: [a, b], circuit, now: clock.now }),
  };
}

async function stateOf(registry: InMemoryServerRegistry, id: string) {
  return (await registry.list()).find((server) => server.id === id);
}

test("lists all servers in their order", async () => {
  const { registry } = setup();
  expect(await registry.list()).toEqual([
    { ...a, circuit: "closed", inFlight: 0 },
    { ...b, circuit: "closed", inFlight: 0 },
  ]);
});

test("lists the servers of one region", async () => {
  const { registry } = setup();
  expect((await registry.list({ region: "us" })).map(({ id }) => id)).toEqual(["b"]);
});

test("refuses invalid servers under the path it was given", () => {
  const servers = [{ ...a, url: "foo" }];
  expect(
    () => new InMemoryServerRegistry({ servers, path: "orchestrator.registry.servers" }),
  ).toThrow('orchestrator.registry.servers[0].url must be an absolute http(s) URL (got "foo")');
});

test("a change of the list it was made from changes nothing", async () => {
  const servers = [{ ...a }];
  const registry = new InMemoryServerRegistry({ servers });
  servers[0]!.url = "http://evil";
  expect((await registry.list())[0]!.url).toBe("http://a");
});

test("a registered server is listed", async () => {
  const { registry } = setup();
  await registry.register({ id: "c", url: "http://c", region: "eu" });
  expect((await registry.list({ region: "eu" })).map(({ id }) => id)).toEqual(["a", "c"]);
});

test("a server registered again is replaced, in its place and with a closed circuit", async () => {
  const { registry } = setup();
  await registry.report("a", { ok: false, error: "x" });
  await registry.report("a", { ok: false, error: "x" });
  await registry.register({ ...a, url: "http://a2" });
  expect((await registry.list())[0]).toEqual({
    ...a,
    url: "http://a2",
    circuit: "closed",
    inFlight: 0,
    lastSeenAt: 1000,
  });
});

test("refuses to register an invalid server", async () => {
  const { registry } = setup();
  await expect(registry.register({ ...a, url: "foo" })).rejects.toMatchObject({
    code: "CONFIG_INVALID",
  });
});

test("a deregistered server is gone", async () => {
  const { registry } = setup();
  await registry.deregister("a");
  expect((await registry.list()).map(({ id }) => id)).toEqual(["b"]);
});

test("a heartbeat sets the last sign of life and the reported load", async () => {
  const { clock, registry } = setup();
  await clock.advance(5);
  await registry.heartbeat("a", { load: 7 });
  expect(await stateOf(registry, "a")).toMatchObject({ lastSeenAt: 1005, load: 7 });
});

test("a heartbeat without a load keeps the one before", async () => {
  const { registry } = setup();
  await registry.heartbeat("a", { load: 7 });
  await registry.heartbeat("a");
  expect(await stateOf(registry, "a")).toMatchObject({ load: 7 });
});

test("a heartbeat does not close a circuit", async () => {
  const { registry } = setup();
  await registry.report("a", { ok: false, error: "x" });
  await registry.report("a", { ok: false, error: "x" });
  await registry.heartbeat("a");
  expect(await stateOf(registry, "a")).toMatchObject({ circuit: "open" });
});

test("failures in a row open the circuit and are told", async () => {
  const { registry } = setup();
  await registry.report("a", { ok: false, error: "one" });
  expect(await stateOf(registry, "a")).toMatchObject({ circuit: "closed", lastError: "one" });
  await registry.report("a", { ok: false, error: "two" });
  expect(await stateOf(registry, "a")).toMatchObject({ circuit: "open", lastError: "two" });
});

test("a success between failures keeps the circuit closed and clears the error", async () => {
  const { registry } = setup();
  await registry.report("a", { ok: false, error: "one" });
  await registry.report("a", { ok: true });
  expect(await stateOf(registry, "a")).not.toHaveProperty("lastError");
  await registry.report("a", { ok: false, error: "two" });
  expect(await stateOf(registry, "a")).toMatchObject({ circuit: "closed" });
});

test("an open circuit is half-open after the cool-down and closes with a success", async () => {
  const { clock, registry } = setup();
  await registry.report("a", { ok: false, error: "x" });
  await registry.report("a", { ok: false, error: "x" });
  await clock.advance(100);
  expect(await stateOf(registry, "a")).toMatchObject({ circuit: "half-open" });
  await registry.report("a", { ok: true });
  expect(await stateOf(registry, "a")).toMatchObject({ circuit: "closed", lastSeenAt: 1100 });
});

test.each(["report", "heartbeat", "deregister"] as const)(
  "%s ignores an unknown id",
  async (method) => {
    const { registry } = setup();
    const call = {
      report: () => registry.report("x", { ok: true }),
      heartbeat: () => registry.heartbeat("x"),
      deregister: () => registry.deregister("x"),
    };
    await expect(call[method]()).resolves.toBeUndefined();
  },
);
