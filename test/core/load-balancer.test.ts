import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  createLoadBalancer,
  LeastLoadLoadBalancer,
  PowerOfTwoLoadBalancer,
  RandomLoadBalancer,
  RoundRobinLoadBalancer,
  StickyLoadBalancer,
  WeightedLoadBalancer,
} from "../../src/core/load-balancer.ts";
import type { LoadBalancer, ServerStatus } from "../../src/types/server.ts";

// The same cases in every run.
fc.configureGlobal({ seed: 1 });

const types = ["least-load", "round-robin", "random", "weighted", "power-of-two", "sticky"];

function server(id: string, state: Partial<ServerStatus> = {}): ServerStatus {
  return { id, url: `http://${id}`, region: "eu", circuit: "closed", inFlight: 0, ...state };
}

/** Repeats the given numbers. */
function randomOf(...values: number[]): () => number {
  let turn = 0;
  return () => values[turn++ % values.length]!;
}

/** The ids picked in a row. */
function picks(
  balancer: LoadBalancer,
  candidates: ServerStatus[],
  times: number,
  random = randomOf(0),
) {
  return Array.from({ length: times }, () => balancer.select(candidates, { now: 0, random })?.id);
}

test("least-load picks the fewest jobs in flight", () => {
  const servers = [server("a", { inFlight: 2 }), server("b", { inFlight: 1 })];
  expect(picks(new LeastLoadLoadBalancer(), servers, 2)).toEqual(["b", "b"]);
});

test("least-load adds the load a server reported", () => {
  const servers = [server("a", { inFlight: 0, load: 5 }), server("b", { inFlight: 3 })];
  expect(picks(new LeastLoadLoadBalancer(), servers, 1)).toEqual(["b"]);
});

test("least-load sees the load in relation to the weight", () => {
  const servers = [server("a", { inFlight: 3 }), server("b", { inFlight: 4, weight: 4 })];
  expect(picks(new LeastLoadLoadBalancer(), servers, 1)).toEqual(["b"]);
});

test("least-load lets equal servers take turns", () => {
  const servers = [server("a"), server("b"), server("c", { inFlight: 1 })];
  expect(picks(new LeastLoadLoadBalancer(), servers, 4)).toEqual(["a", "b", "a", "b"]);
});

test("least-load takes a reported load that is no number for none", () => {
  const servers = [server("a", { load: Number.NaN }), server("b", { inFlight: 1 })];
  expect(picks(new LeastLoadLoadBalancer(), servers, 1)).toEqual(["a"]);
});

test("round-robin goes through the servers in order", () => {
  const servers = [server("a"), server("b"), server("c")];
  expect(picks(new RoundRobinLoadBalancer(), servers, 5)).toEqual(["a", "b", "c", "a", "b"]);
});

test("round-robin stays fair to each of two regions asked for in turns", () => {
  const balancer = new RoundRobinLoadBalancer();
  const eu = [server("a"), server("b")];
  const us = [server("c"), server("d")];
  const ids = [eu, us, eu, us].map((servers) => picks(balancer, servers, 1)[0]);
  expect(ids).toEqual(["a", "c", "b", "d"]);
});

test("random picks by the injected randomness", () => {
  const servers = [server("a"), server("b"), server("c")];
  expect(picks(new RandomLoadBalancer(), servers, 3, randomOf(0, 0.5, 0.99))).toEqual([
    "a",
    "b",
    "c",
  ]);
});

test("weighted gives each server its share, evenly mixed", () => {
  const servers = [server("a", { weight: 3 }), server("b")];
  expect(picks(new WeightedLoadBalancer(), servers, 8)).toEqual([
    "a",
    "a",
    "b",
    "a",
    "a",
    "a",
    "b",
    "a",
  ]);
});

test("power-of-two picks the less loaded of two random servers", () => {
  const servers = [server("a", { inFlight: 9 }), server("b", { inFlight: 5 }), server("c")];
  expect(picks(new PowerOfTwoLoadBalancer(), servers, 1, randomOf(0, 0))).toEqual(["b"]);
});

test("power-of-two never compares a server with itself", () => {
  const servers = [server("a", { inFlight: 1 }), server("b")];
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (x, y) => {
        expect(picks(new PowerOfTwoLoadBalancer(), servers, 1, randomOf(x, y))).toEqual(["b"]);
      },
    ),
  );
});

test("sticky picks the same server for the same key, in whatever order they come", () => {
  const servers = [server("a"), server("b"), server("c")];
  fc.assert(
    fc.property(fc.string(), fc.shuffledSubarray(servers, { minLength: 3 }), (key, shuffled) => {
      const context = { now: 0, random: () => 0, key };
      const balancer = new StickyLoadBalancer();
      expect(balancer.select(shuffled, context)?.id).toBe(balancer.select(servers, context)?.id);
    }),
  );
});

test("sticky moves only the keys of the server that left", () => {
  const balancer = new StickyLoadBalancer();
  const servers = ["a", "b", "c", "d"].map((id) => server(id));
  for (let n = 0; n < 200; n += 1) {
    const context = { now: 0, random: () => 0, key: `https://example.com/${n}` };
    const before = balancer.select(servers, context)!.id;
    const after = balancer.select(servers.slice(0, 3), context)!.id;
    if (before !== "d") expect(after).toBe(before);
  }
});

test("sticky spreads keys that differ little", () => {
  const balancer = new StickyLoadBalancer();
  const servers = ["eu-1", "eu-2", "eu-3", "eu-4"].map((id) => server(id));
  const count = new Map<string, number>();
  for (let n = 0; n < 1000; n += 1) {
    const { id } = balancer.select(servers, {
      now: 0,
      random: () => 0,
      key: `https://x.test/${n}`,
    })!;
    count.set(id, (count.get(id) ?? 0) + 1);
  }
  expect(Math.min(...count.values())).toBeGreaterThan(180);
});

test("sticky picks any server without a key", () => {
  const servers = [server("a"), server("b")];
  expect(picks(new StickyLoadBalancer(), servers, 2, randomOf(0, 0.9))).toEqual(["a", "b"]);
});

test.each(types)("%s picks one of the candidates, whatever they are", (type) => {
  const candidate = fc.record({
    id: fc.string(),
    inFlight: fc.nat(),
    weight: fc.option(fc.double({ min: 0.001, max: 1000, noNaN: true }), { nil: undefined }),
    load: fc.option(fc.double(), { nil: undefined }),
  });
  const balancer = createLoadBalancer(type);
  fc.assert(
    fc.property(
      fc.uniqueArray(candidate, { selector: ({ id }) => id, minLength: 1, maxLength: 8 }),
      fc.option(fc.string(), { nil: undefined }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (states, key, random) => {
        const servers = states.map(({ id, ...state }) => server(id, state));
        expect(servers).toContain(balancer.select(servers, { now: 0, random: () => random, key }));
      },
    ),
  );
});

test.each(types)("%s picks none of none", (type) => {
  const context = { now: 0, random: () => 0.5, key: "x" };
  expect(createLoadBalancer(type).select([], context)).toBeUndefined();
});

test.each([
  ["LeastLoadLoadBalancer", LeastLoadLoadBalancer],
  ["RoundRobinLoadBalancer", RoundRobinLoadBalancer],
  ["RandomLoadBalancer", RandomLoadBalancer],
  ["WeightedLoadBalancer", WeightedLoadBalancer],
  ["PowerOfTwoLoadBalancer", PowerOfTwoLoadBalancer],
  ["StickyLoadBalancer", StickyLoadBalancer],
])("%s is found by its class name", (name, Balancer) => {
  expect(createLoadBalancer(name)).toBeInstanceOf(Balancer);
});

test.each(types)("%s is found by its type, which is its name", (type) => {
  expect(createLoadBalancer(type).name).toBe(type);
});

test("an unknown name is refused with the known ones", () => {
  expect(() => createLoadBalancer("fastest")).toThrow(
    'Unknown load balancer "fastest". Known: least-load, round-robin, random, weighted, power-of-two, sticky',
  );
});
