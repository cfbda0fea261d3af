import { expect, test } from "vitest";
import type { RunnerContext } from "../../src/runner/index.ts";
import { gate, serve } from "./_support/serve.ts";

/** A runner that waits to be let go, and a promise for its start. */
function waiting() {
  const started = gate();
  const end = gate();
  const wait = async () => {
    started.open();
    await end.opened;
    return { status: "pass" };
  };
  return { wait, started: started.opened, end: end.open };
}

/** A runner that only its signal ends, if that. */
function stuck() {
  const started = gate();
  const signals: AbortSignal[] = [];
  const wait = (ctx: RunnerContext) => {
    signals.push(ctx.signal);
    started.open();
    return new Promise(() => {});
  };
  return { wait, started: started.opened, signals };
}

test("a draining server answers new executes with a 503 and Retry-After: 1", async () => {
  const { execute, handler, base } = await serve({
    runners: { a: async () => ({ status: "pass" }) },
  });
  await handler.drain();
  const response = await execute({ runners: ["a"] });
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await response.json()).toEqual({
    defined: false,
    code: "SERVICE_UNAVAILABLE",
    status: 503,
    message: "The server is shutting down and takes no new work",
  });
  expect((await fetch(`${base}/info`)).status).toBe(200);
});

test("drain waits for what is running, and lets it answer", async () => {
  const { wait, started, end } = waiting();
  const { execute, handler } = await serve({ runners: { wait } });
  const reply = execute({ runners: ["wait"] });
  await started;
  let drained = false;
  const draining = handler.drain().then(() => (drained = true));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(drained).toBe(false);
  end();
  await draining;
  expect((await (await reply).json()).results).toMatchObject([{ status: "pass" }]);
});

test("a draining server keeps no connection, neither of what ran nor of what it refuses", async () => {
  const { wait, started, end } = waiting();
  const { execute, handler, base } = await serve({ runners: { wait } });
  expect((await fetch(`${base}/info`)).headers.get("connection")).toBe("keep-alive");
  const reply = execute({ runners: ["wait"] });
  await started;
  const draining = handler.drain();
  const refused = await execute({ runners: ["wait"] });
  end();
  for (const response of [await reply, refused, await fetch(`${base}/info`)]) {
    expect(response.headers.get("connection")).toBe("close");
  }
  await draining;
});

test("when the drain's time is up the signal aborts, and what has not started does not", async () => {
  const { wait, started, signals } = stuck();
  let calls = 0;
  const never = async () => {
    calls++;
    return { status: "pass" };
  };
  const { execute, handler } = await serve({ runners: { wait, never } });
  const reply = execute({ runners: ["wait", "never"] });
  await started;
  await handler.drain({ timeout: 10 });
  expect(signals[0]!.aborted).toBe(true);
  const { results } = await (await reply).json();
  expect(results).toMatchObject([
    { name: "wait", status: "error", errorMessage: "The server is shutting down" },
    { name: "never", status: "error", errorMessage: "The server is shutting down" },
  ]);
  expect(calls).toBe(0);
});

test("a repeat of a known key is answered while draining", async () => {
  const { execute, handler } = await serve({ runners: { a: async () => ({ status: "pass" }) } });
  const headers = { "idempotency-key": "k" };
  await execute({ runners: ["a"] }, headers);
  await handler.drain();
  expect((await execute({ runners: ["a"] }, headers)).status).toBe(200);
});

test("drain is idempotent: a second call joins the first", async () => {
  const { wait, started, end } = waiting();
  const { execute, handler } = await serve({ runners: { wait } });
  const reply = execute({ runners: ["wait"] });
  await started;
  const first = handler.drain();
  const second = handler.drain({ timeout: 1 });
  expect(second).toBe(first);
  end();
  await first;
  expect((await (await reply).json()).results[0].status).toBe("pass");
});

test("draining one server leaves another of the process alone", async () => {
  const runners = { a: async () => ({ status: "pass" }) };
  const one = await serve({ runners });
  const other = await serve({ runners });
  await one.handler.drain();
  expect((await other.execute({ runners: ["a"] })).status).toBe(200);
});
