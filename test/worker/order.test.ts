import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createFrameReader } from "../../src/core/order-frames.ts";
import type { Runner } from "../../src/types/runner.ts";
import { executeOrder } from "../../src/worker/order.ts";

const hang: Runner = (ctx) =>
  new Promise((resolve) => {
    ctx.signal.addEventListener("abort", () => resolve({ status: "pass" }));
  });

function orderOf(runner: string, more: object = {}): string {
  const request = { url: "https://example.com/", runners: [runner], runId: "r", region: "eu" };
  return JSON.stringify({
    nonce: "n",
    order: { idempotencyKey: "r/0", attempt: 1, timeout: 5000, request, ...more },
  });
}

/** Executes what an environment holds, and answers with the messages that were printed. */
async function execute(
  env: Record<string, string | undefined>,
  runners: Record<string, unknown>,
  signal: AbortSignal = new AbortController().signal,
): Promise<any[]> {
  const messages: unknown[] = [];
  const reader = createFrameReader("n", 10_000_000, (message) => messages.push(message));
  const print = async (lines: string): Promise<void> => {
    // Slower than what is told: it must come out in order all the same.
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const line of lines.split("\n")) reader.take(line);
  };
  await executeOrder({ runners, worker: "pod-1", timeout: 4000, env, signal, print });
  return messages;
}

test("an order is begun, told of and answered, and is not in the runners' environment", async () => {
  const env: Record<string, string | undefined> = { ORCHESTRATOR_ORDER: orderOf("check") };
  const check: Runner = async (ctx) => {
    ctx.checkpoint("one", { order: env.ORCHESTRATOR_ORDER });
    ctx.log("two");
    return { status: "pass" };
  };
  expect(await execute(env, { check })).toMatchObject([
    { begun: true },
    { event: "checkpoint", type: "one", data: {} },
    { event: "log", message: "two" },
    {
      answer: {
        status: 200,
        worker: "pod-1",
        body: { region: "eu", runId: "r", results: [{ name: "check", status: "pass" }] },
      },
    },
  ]);
});

test("an order comes out of a file too", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "order-")), "order");
  await writeFile(file, orderOf("nobody"));
  const messages = await execute({ ORCHESTRATOR_ORDER_FILE: file }, { check: hang });
  expect(messages).toMatchObject([{}, { answer: { body: { code: "RUNNER_NOT_FOUND" } } }]);
});

test("an order whose time is up is late, and not what its runners make of that", async () => {
  const ORCHESTRATOR_ORDER = orderOf("hang", { timeout: 50 });
  expect(await execute({ ORCHESTRATOR_ORDER }, { hang })).toEqual([
    { begun: true },
    { late: true },
  ]);
});

test("an answer that nobody would take is not printed", async () => {
  const text = "x".repeat(5 * 1024 * 1024);
  const big: Runner = async () => ({ status: "pass", details: { text } });
  const messages = await execute({ ORCHESTRATOR_ORDER: orderOf("big") }, { big });
  expect(messages).toEqual([{ begun: true }, { tooLarge: expect.any(Number) }]);
});

test("an order that is aborted is not answered", async () => {
  const abort = new AbortController();
  const reason = new Error("told to end");
  const stopped: Runner = async (ctx, input) => {
    abort.abort(reason);
    return hang(ctx, input);
  };
  const env = { ORCHESTRATOR_ORDER: orderOf("stopped") };
  await expect(execute(env, { stopped }, abort.signal)).rejects.toBe(reason);
});

test.for([
  [{}, "There is no order: ORCHESTRATOR_ORDER or ORCHESTRATOR_ORDER_FILE must be set"],
  [{ ORCHESTRATOR_ORDER: "{" }, "ORCHESTRATOR_ORDER must be an order"],
  [{ ORCHESTRATOR_ORDER: '{"nonce":"n","order":{}}' }, "ORCHESTRATOR_ORDER must be an order"],
  [
    { ORCHESTRATOR_ORDER_FILE: "/nowhere" },
    "ORCHESTRATOR_ORDER_FILE names a file that cannot be read",
  ],
] as const)("%j: %s", async ([env, message]) => {
  await expect(execute({ ...env }, {})).rejects.toThrow(message);
});
