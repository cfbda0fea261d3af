import { readFile } from "node:fs/promises";
import { bytesOf } from "../core/runner-events.ts";
import { OrchestratorError, reasonOf } from "../core/errors.ts";
import { createFrameWriter } from "../core/order-frames.ts";
import { isPlainObject } from "../core/runner-result.ts";
import { collectRunners } from "../runner/catalog.ts";
import { longestTimer } from "../core/sleep.ts";
import type { WorkOrder } from "../types/work.ts";
import { createOrderExecutor } from "./orders.ts";

/** What one order is executed with. */
export interface OrderOptions {
  /** The module of runner functions. */
  runners: Record<string, unknown>;
  /** Id that the answer carries. */
  worker: string;
  /** Milliseconds one runner may take. */
  timeout: number;
  /** Where the order is; what is taken from it is gone for the runners. */
  env: Record<string, string | undefined>;
  /** Aborts the runner that runs. */
  signal: AbortSignal;
  /** Takes lines; resolves when they are out. */
  print: (lines: string) => Promise<void>;
}

/** Bytes of an answer at most, which is what the orchestrator takes. */
const ANSWER_BYTES = 5 * 1024 * 1024;

/**
 * Executes the one order that the environment holds, in `ORCHESTRATOR_ORDER` or in the file that
 * `ORCHESTRATOR_ORDER_FILE` names, and prints its events and its answer as lines that carry the order's nonce.
 *
 * @throws OrchestratorError `CONFIG_INVALID` where there is no order
 * @throws the signal's reason, when it aborts
 */
export async function executeOrder(options: OrderOptions): Promise<void> {
  const { env, signal, print, runners, worker, timeout } = options;
  const { nonce, order } = await takeOrder(env);
  const frame = createFrameWriter(nonce);
  const catalog = collectRunners(runners, "--runners");
  const execute = createOrderExecutor({ catalog, worker, timeout });
  let printed = Promise.resolve();
  const say = (message: unknown): void => {
    const lines = frame(message);
    printed = printed.then(() => print(lines));
  };
  // Until now its container merely started: its time begins here.
  say({ begun: true });
  let late = false;
  const timer = setTimeout(() => (late = true), Math.min(order.timeout, longestTimer));
  const answer = await execute(order, { signal, onEvent: say });
  clearTimeout(timer);
  const bytes = bytesOf(JSON.stringify(answer.body));
  // What runners make of the end of their time is no answer.
  if (late) say({ late });
  else say(bytes > ANSWER_BYTES ? { tooLarge: bytes } : { answer });
  await printed;
}

/** Takes the order out of the environment, so that no runner reads the nonce there by accident. */
async function takeOrder(
  env: Record<string, string | undefined>,
): Promise<{ nonce: string; order: WorkOrder }> {
  const inline = env.ORCHESTRATOR_ORDER;
  const file = env.ORCHESTRATOR_ORDER_FILE;
  delete env.ORCHESTRATOR_ORDER;
  const name = inline ? "ORCHESTRATOR_ORDER" : "ORCHESTRATOR_ORDER_FILE";
  const text = inline || (file && (await readOrder(file)));
  if (!text) {
    throw invalid(
      "There is no order: ORCHESTRATOR_ORDER or ORCHESTRATOR_ORDER_FILE must be set, as Jobs of the Kubernetes executor have them",
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Said below, with what else is none.
  }
  if (isPlainObject(value) && typeof value.nonce === "string" && isOrder(value.order)) {
    return { nonce: value.nonce, order: value.order };
  }
  throw invalid(`${name} must be an order of the Kubernetes executor, with a nonce`);
}

async function readOrder(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw invalid(`ORCHESTRATOR_ORDER_FILE names a file that cannot be read: ${reasonOf(error)}`);
  }
}

function isOrder(value: unknown): value is WorkOrder {
  return (
    isPlainObject(value) &&
    typeof value.idempotencyKey === "string" &&
    typeof value.timeout === "number" &&
    isPlainObject(value.request)
  );
}

function invalid(message: string): OrchestratorError {
  return new OrchestratorError("CONFIG_INVALID", message);
}
