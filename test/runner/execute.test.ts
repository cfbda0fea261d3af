import { expect, test, vi } from "vitest";
import { runRunners } from "../../src/runner/index.ts";
import type { RunnerContext, RunnerResult } from "../../src/runner/index.ts";
import { logLine } from "../../src/runner/log.ts";
import { createScope, scopeOf } from "../../src/runner/scope.ts";
import { gate, serve } from "./_support/serve.ts";

/** The result of one runner that does this. */
async function resultOf(run: unknown, options: { timeout?: number } = {}): Promise<RunnerResult> {
  const reply = await runRunners({ runners: ["check"] }, { runners: { check: run }, ...options });
  return reply.results[0]!;
}

test("a failing or throwing runner is still HTTP 200", async () => {
  const { execute } = await serve({
    runners: {
      fails: async () => ({ status: "fail", errorMessage: "no" }),
      throws: async () => {
        throw new Error("broke");
      },
    },
  });
  const response = await execute({ runners: ["fails", "throws"] });
  expect(response.status).toBe(200);
  expect((await response.json()).results).toEqual([
    { name: "fails", status: "fail", errorMessage: "no", durationMs: expect.any(Number) },
    { name: "throws", status: "error", errorMessage: "broke", durationMs: expect.any(Number) },
  ]);
});

test("runners of one request run one after another", async () => {
  const events: string[] = [];
  const make = (name: string) => async () => {
    events.push(`${name} starts`);
    await new Promise((resolve) => setTimeout(resolve, 5));
    events.push(`${name} ends`);
    return { status: "pass" };
  };
  await runRunners({ runners: ["a", "b"] }, { runners: { a: make("a"), b: make("b") } });
  expect(events).toEqual(["a starts", "a ends", "b starts", "b ends"]);
});

test("a timeout is an error under the runner's own name, and the next runner still runs", async () => {
  const { results } = await runRunners(
    { runners: ["slow", "next"] },
    {
      runners: { slow: () => new Promise(() => {}), next: async () => ({ status: "pass" }) },
      timeout: 20,
    },
  );
  expect(results[0]).toEqual({
    name: "slow",
    status: "error",
    errorMessage: 'Runner "slow" timed out after 20 ms',
    durationMs: expect.any(Number),
  });
  expect(results[0]!.durationMs).toBeGreaterThanOrEqual(18);
  expect(results[1]).toMatchObject({ name: "next", status: "pass" });
});

test("the signal aborts at the timeout", async () => {
  let signal!: AbortSignal;
  await resultOf(
    (ctx: RunnerContext) => {
      signal = ctx.signal;
      return new Promise(() => {});
    },
    { timeout: 10 },
  );
  expect(signal.aborted).toBe(true);
  expect(signal.reason.name).toBe("TimeoutError");
});

test("a runner that ends in time never sees its signal abort", async () => {
  let signal!: AbortSignal;
  await resultOf(
    async (ctx: RunnerContext) => {
      signal = ctx.signal;
      return { status: "pass" };
    },
    { timeout: 10 },
  );
  await new Promise((resolve) => setTimeout(resolve, 25));
  expect(signal.aborted).toBe(false);
});

test("a late rejection of a runner that timed out is nobody's unhandled rejection", async () => {
  const seen = vi.fn();
  process.on("unhandledRejection", seen);
  const late = gate();
  await resultOf(() => late.opened.then(() => Promise.reject(new Error("late"))), { timeout: 5 });
  late.open();
  await new Promise((resolve) => setTimeout(resolve, 10));
  process.off("unhandledRejection", seen);
  expect(seen).not.toHaveBeenCalled();
});

test.each([
  ["a string", "oops", "oops"],
  ["nothing", undefined, "undefined"],
  ["an error without a message", new RangeError(), "RangeError"],
  ["an error of another realm", { message: "far" }, "far"],
  ["an object without a prototype", Object.create(null), "Threw an object that is not an Error"],
])("a runner that throws %s is an error with a message", async (_what, thrown, message) => {
  const result = await resultOf(() => {
    throw thrown;
  });
  expect(result).toMatchObject({ name: "check", status: "error", errorMessage: message });
});

test.each([
  ["an array", [1]],
  ["a date", new Date()],
  ["a map", new Map([["a", 1]])],
  ["a string", "x"],
  ["null", null],
])("details that are %s are dropped", async (_what, details) => {
  const result = await resultOf(async () => ({ status: "pass", details }));
  expect(result.status).toBe("pass");
  expect(result).not.toHaveProperty("details");
});

test("details that are a plain object are sent as they were when the runner ended", async () => {
  const details = { list: [1], when: new Date(0), none: undefined };
  const result = await resultOf(async () => ({ status: "pass", details }));
  details.list.push(2);
  expect(result.details).toEqual({ list: [1], when: "1970-01-01T00:00:00.000Z" });
});

test("details that JSON cannot carry make the runner an error, and the reply stands", async () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  for (const details of [circular, { deep: [{ big: 1n }] }]) {
    const result = await resultOf(async () => ({ status: "pass", details }));
    expect(result).toMatchObject({ name: "check", status: "error" });
    expect(result).not.toHaveProperty("details");
    expect(result.errorMessage).toMatch(/^The details of runner "check" cannot be sent as JSON: /);
  }
});

test("details that nobody would read are an error, and a __proto__ key in them is dropped", async () => {
  const deep = (levels: number) => JSON.parse(`{"a":`.repeat(levels) + "1" + "}".repeat(levels));
  expect(await resultOf(async () => ({ status: "pass", details: deep(96) }))).toMatchObject({
    status: "pass",
    details: deep(96),
  });
  const result = await resultOf(async () => ({ status: "pass", details: deep(97) }));
  expect(result.errorMessage).toMatch(/cannot be sent as JSON: .* deeper than 96 levels$/);
  const details = JSON.parse('{"__proto__":{"evil":true},"b":1}');
  const cleaned = await resultOf(async () => ({ status: "pass", details }));
  expect(Object.getOwnPropertyNames(cleaned.details)).toEqual(["b"]);
});

test("an unknown status is an error that names it", async () => {
  expect(await resultOf(async () => ({ status: "ok" }))).toMatchObject({
    status: "error",
    errorMessage: 'Unknown status "ok"',
  });
  // The runner's own message may say why.
  expect(await resultOf(async () => ({ status: "skip", errorMessage: "no time" }))).toMatchObject({
    status: "error",
    errorMessage: 'Unknown status "skip": no time',
  });
});

test("a runner that returns nothing is an error", async () => {
  expect(await resultOf(async () => {})).toMatchObject({
    name: "check",
    status: "error",
    errorMessage: 'Runner "check" returned no result',
  });
});

test("name and duration are filled in when left out, and kept when given", async () => {
  const filled = await resultOf(async () => ({ status: "pass" }));
  expect(filled).toEqual({ name: "check", status: "pass", durationMs: expect.any(Number) });
  const kept = await resultOf(async () => ({ name: "own", status: "pass", durationMs: 7.5 }));
  expect(kept).toEqual({ name: "own", status: "pass", durationMs: 7.5 });
  for (const durationMs of [Number.NaN, Infinity, -1]) {
    const bad = await resultOf(async () => ({ name: "", status: "pass", durationMs }));
    expect(bad.name).toBe("check");
    expect(bad.durationMs).toBeLessThan(30_000);
    expect(bad.durationMs).toBeGreaterThanOrEqual(0);
  }
});

test("ctx has region and runId only when they are given", async () => {
  const seen: RunnerContext[] = [];
  const runners = {
    check: async (ctx: RunnerContext) => {
      seen.push(ctx);
      return { status: "pass" };
    },
  };
  await runRunners({ runners: ["check"] }, { runners });
  await runRunners({ runners: ["check"], runId: "r", region: "us" }, { runners, region: "eu" });
  expect(Object.keys(seen[0]!)).toEqual(["signal", "log", "checkpoint"]);
  expect(seen[1]).toMatchObject({ region: "eu", runId: "r" });
});

test("ctx.log prints one JSON line with a timestamp and the runner's name", async () => {
  const print = vi.spyOn(console, "log").mockImplementation(() => {});
  await resultOf(async (ctx: RunnerContext) => {
    ctx.log("saw\nit", { n: 1 });
    return { status: "pass" };
  });
  const lines = print.mock.calls.map(([line]) => line as string);
  print.mockRestore();
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toContain("\n");
  expect(JSON.parse(lines[0]!)).toEqual({
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    runner: "check",
    message: "saw\nit",
    n: 1,
  });
});

test("a log line keeps its own fields, writes errors and big integers, and never throws", () => {
  const at = new Date(0);
  const line = logLine({ runner: "a" }, "m", { runner: "x", n: 1n, error: new Error("e") }, at);
  expect(line).toBe(
    '{"timestamp":"1970-01-01T00:00:00.000Z","runner":"a","message":"m","n":"1","error":{"name":"Error","message":"e"}}',
  );
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  expect(JSON.parse(logLine({ runner: "a" }, "m", circular, at))).toHaveProperty("metaError");
});

test("a runner's scope closes when it ends, throws or times out, last opened first", async () => {
  for (const end of [
    async () => ({ status: "pass" }),
    () => Promise.reject(new Error("x")),
    () => new Promise(() => {}),
  ]) {
    const closed: number[] = [];
    await resultOf(
      (ctx: RunnerContext) => {
        const copy = { ...ctx };
        for (const n of [1, 2]) scopeOf(copy)!.defer(async () => void closed.push(n));
        return end();
      },
      { timeout: 20 },
    );
    expect(closed).toEqual([2, 1]);
  }
});

test("a scope closes at once what comes after its end, and survives a disposer that throws or hangs", async () => {
  const scope = createScope(20);
  const closed: string[] = [];
  scope.defer(() => new Promise(() => {}));
  scope.defer(() => {
    throw new Error("x");
  });
  scope.defer(async () => void closed.push("first"));
  await scope.close();
  scope.defer(async () => void closed.push("late"));
  await Promise.resolve();
  expect(closed).toEqual(["first", "late"]);
});
