import { expect, test } from "vitest";
import * as z from "zod";
import { type RunnerContext, type RunnerEvent, runRunners } from "../../src/runner/index.ts";
import { acceptLines as accept, reading, silent } from "./_support/lines.ts";
import { gate, serve } from "./_support/serve.ts";

const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** A runner that notes something at its start, waits to be let go, and notes something more. */
function telling() {
  const started = gate();
  const end = gate();
  let calls = 0;
  const tell = async (ctx: RunnerContext) => {
    calls++;
    ctx.checkpoint("begun", { n: [1] });
    started.open();
    await end.opened;
    ctx.checkpoint("done");
    return { status: "pass" };
  };
  return { tell, started: started.opened, end: end.open, calls: () => calls };
}

test("events come while the runner still runs, and last the reply", async () => {
  silent();
  const end = gate();
  const tell = async (ctx: RunnerContext) => {
    ctx.checkpoint("begun", { n: [1] });
    ctx.log("checking", { url: "x", error: new Error("e"), big: 1n });
    await end.opened;
    return { status: "pass", durationMs: 1 };
  };
  const { execute } = await serve({ runners: { tell } });
  const before = Date.now();
  const response = await execute({ runners: ["tell"], runId: "r" }, accept);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  const lines = reading(response);
  const checkpoint = await lines.next();
  const log = await lines.next();
  expect(Object.keys(checkpoint)).toEqual(["event", "id", "at", "type", "data", "runner"]);
  expect(checkpoint).toMatchObject({
    event: "checkpoint",
    id: expect.stringMatching(uuid),
    type: "begun",
    data: { n: [1] },
    runner: "tell",
  });
  expect(Object.keys(log)).toEqual(["event", "at", "message", "meta", "runner"]);
  expect(log).toMatchObject({
    event: "log",
    message: "checking",
    meta: { url: "x", error: { name: "Error", message: "e" }, big: "1" },
    runner: "tell",
  });
  for (const { at } of [checkpoint, log]) {
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now());
  }
  end.open();
  expect(await lines.all()).toEqual([
    { reply: { runId: "r", results: [{ name: "tell", status: "pass", durationMs: 1 }] } },
  ]);
});

test("the reply of an enveloped request is enveloped in its line, and events are not", async () => {
  const { tell, end } = telling();
  end();
  const { execute } = await serve({ runners: { tell } });
  const lines = await reading(await execute({ json: { runners: ["tell"] } }, accept)).all();
  expect(lines.map((line) => Object.keys(line)[0])).toEqual(["event", "event", "reply"]);
  expect(lines[2].reply).toEqual({
    json: { results: [expect.objectContaining({ name: "tell" })] },
  });
});

test.each([
  ["nothing is told", "quiet", accept.accept],
  ["lines are not accepted", "tell", "application/json"],
  ["anything is accepted", "tell", "*/*"],
  ["lines are refused", "tell", "application/x-ndjson;q=0, application/json"],
])("the answer is plain JSON where %s", async (_, name, accepted) => {
  const { tell, end } = telling();
  end();
  const { execute } = await serve({ runners: { tell, quiet: async () => ({ status: "pass" }) } });
  const response = await execute({ runners: [name] }, { accept: accepted });
  expect(response.headers.get("content-type")).toBe("application/json");
  expect((await response.json()).results).toMatchObject([{ name, status: "pass" }]);
});

test("what is refused before anything runs is plain, with its status", async () => {
  const { tell, calls } = telling();
  const tellSchema = z.object({ n: z.number() });
  const { execute } = await serve({ runners: { tell, tellSchema } });
  for (const [body, status, code] of [
    [{}, 400, "BAD_REQUEST"],
    [{ runners: ["nope"] }, 500, "RUNNER_NOT_FOUND"],
    [{ runners: ["tell"] }, 500, "INPUT_VALIDATION_FAILED"],
  ] as const) {
    const response = await execute(body, accept);
    expect([response.status, response.headers.get("content-type")]).toEqual([
      status,
      "application/json",
    ]);
    expect((await response.json()).code).toBe(code);
  }
  expect(calls()).toBe(0);
});

test.each([false, true])(
  "a failure once lines flow is the last line, enveloped %s",
  async (json) => {
    const broken = async (ctx: RunnerContext) => {
      ctx.checkpoint("begun");
      throw Object.defineProperty({}, "message", {
        get() {
          throw new Error("no message");
        },
      });
    };
    const { execute } = await serve({ runners: { broken } });
    const request = { runners: ["broken"] };
    const response = await execute(json ? { json: request } : request, accept);
    expect(response.status).toBe(200);
    const lines = await reading(response).all();
    const error = {
      defined: true,
      code: "EXECUTION_FAILED",
      status: 500,
      message: "Runner execution failed",
      data: { details: "no message" },
    };
    expect(lines).toEqual([
      expect.objectContaining({ type: "begun" }),
      { error: json ? { json: error } : error, status: 500 },
    ]);
  },
);

test("a repeat half-way gets the events of the first, then what comes, then the reply", async () => {
  const { tell, started, end, calls } = telling();
  const { execute } = await serve({ runners: { tell } });
  const key = { ...accept, "idempotency-key": "k" };
  const first = reading(await execute({ runners: ["tell"] }, key));
  await started;
  const second = reading(await execute({ runners: ["tell"] }, key));
  const begun = await first.next();
  expect(await second.next()).toEqual(begun);
  const plain = execute({ runners: ["tell"] }, { "idempotency-key": "k" });
  end();
  const rest = await first.all();
  expect(rest).toHaveLength(2);
  expect(await second.all()).toEqual(rest);
  const late = await reading(await execute({ runners: ["tell"] }, key)).all();
  expect(late).toEqual([begun, ...rest]);
  expect(await (await plain).json()).toEqual(rest[1].reply);
  expect(calls()).toBe(1);
});

test("a client that goes away does not end the execution, and gets all of it when it asks again", async () => {
  const { tell, end, calls } = telling();
  const { execute } = await serve({ runners: { tell } });
  const key = { ...accept, "idempotency-key": "k" };
  const gone = reading(await execute({ runners: ["tell"] }, key));
  const begun = await gone.next();
  await gone.stop();
  const again = reading(await execute({ runners: ["tell"] }, key));
  expect(await again.next()).toEqual(begun);
  end();
  expect(await again.all()).toMatchObject([
    { type: "done" },
    { reply: { results: [{ status: "pass" }] } },
  ]);
  expect(calls()).toBe(1);
});

test.each<[string, unknown[], string]>([
  ["an empty type", [""], "type must have 1 to 200 characters"],
  ["a long type", ["x".repeat(201)], "type must have 1 to 200 characters"],
  ["a type of another kind", [7], "type must be a text"],
  ["no type", [], "type must be a text"],
  ["a function", ["t", () => 1], "data must be JSON (got function)"],
  ["a big integer", ["t", { n: 1n }], "data must be JSON: Do not know how to serialize a BigInt"],
  ["a circle", ["t", circle()], "data must be JSON: Converting circular structure to JSON"],
  [
    "large data",
    ["t", "ü".repeat(32_768)],
    "data must have at most 65536 bytes as JSON (got 65538)",
  ],
  [
    "deep data",
    ["t", JSON.parse("[".repeat(97) + "]".repeat(97))],
    "data must have at most 96 levels",
  ],
])(
  "a checkpoint with %s throws a TypeError that names the field, and is not sent",
  async (...row) => {
    const [, args, message] = row;
    const bad = async (ctx: RunnerContext) => {
      ctx.checkpoint("before", "x".repeat(65_534));
      (ctx.checkpoint as (...args: unknown[]) => void)(...args);
      return { status: "pass" };
    };
    const catching = async (ctx: RunnerContext) => {
      try {
        await bad(ctx);
      } catch (error) {
        return { status: "pass", details: { typeError: error instanceof TypeError } };
      }
      return { status: "fail" };
    };
    const { execute } = await serve({ runners: { bad, catching } });
    const lines = await reading(await execute({ runners: ["bad", "catching"] }, accept)).all();
    expect(lines.map(({ type }) => type)).toEqual(["before", "before", undefined]);
    const [thrown, caught] = lines[2].reply.results;
    expect(thrown.status).toBe("error");
    expect(thrown.errorMessage).toContain(`ctx.checkpoint: ${message}`);
    expect(caught.details).toEqual({ typeError: true });
  },
);

test("nothing is told after the end", async () => {
  const late = gate();
  const told = gate();
  const changing = async (ctx: RunnerContext) => {
    ctx.checkpoint("t");
    void late.opened.then(() => {
      ctx.checkpoint("late");
      told.open();
    });
    return { status: "pass" };
  };
  const { execute } = await serve({ runners: { changing } });
  const key = { ...accept, "idempotency-key": "k" };
  const first = await (await execute({ runners: ["changing"] }, key)).text();
  late.open();
  await told.opened;
  expect(await (await execute({ runners: ["changing"] }, key)).text()).toBe(first);
  expect(first.split("\n")[0]).toContain('"type":"t"');
});

test("runRunners tells of events too, which nothing can change later", async () => {
  silent();
  const events: RunnerEvent[] = [];
  const check = async (ctx: RunnerContext) => {
    const data = { n: 1, at: new Date(0), list: [undefined] };
    ctx.checkpoint("t", data);
    ctx.log("m", data);
    data.n = 2;
    ctx.log("m", "text" as never);
    ctx.log("m", circle() as never);
    return { status: "pass" };
  };
  const onEvent = (event: RunnerEvent) => events.push(event);
  await runRunners({ runners: ["check"] }, { runners: { check }, onEvent });
  const sent = { n: 1, at: "1970-01-01T00:00:00.000Z", list: [null] };
  expect(events).toMatchObject([{ data: sent }, { meta: sent }, { message: "m" }, {}]);
  expect(events[2]).not.toHaveProperty("meta");
  expect(events[3]).toMatchObject({ meta: { metaError: expect.stringContaining("circular") } });
});

function circle(): object {
  const object: Record<string, unknown> = {};
  object.self = object;
  return object;
}
