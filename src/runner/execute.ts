import type {
  RunnerContext,
  RunnerEvent,
  RunnerExecuteReply,
  RunnerExecuteRequest,
  RunnerResult,
} from "../types/index.ts";
import { collectRunners, type RunnerCatalog } from "./catalog.ts";
import { createExecutionEvents, type ExecutionEvents } from "./events.ts";
import { planExecution, type PlannedRunner } from "./plan.ts";
import { toErrorResult, toResult } from "./result.ts";
import { createScope, withScope } from "./scope.ts";

/** How runners are executed. */
export interface ExecutionOptions {
  /** Region of this server; the request's counts only when it has none. */
  region?: string;
  /**
   * Milliseconds one runner may take.
   * @default 30000
   */
  timeout?: number;
  /** Aborts the runner that is running, and makes errors of those that have not started. */
  signal?: AbortSignal;
  /** Told of the runners' checkpoints and log lines as they come. Must not throw. */
  onEvent?: (event: RunnerEvent) => void;
}

/** The runners and how they are executed. */
export interface RunRunnersOptions extends ExecutionOptions {
  /** Runner functions by name, and their `<name>InputSchema`s, as in `import * as runners`. */
  runners: Record<string, unknown>;
}

/**
 * Executes a request's runners in this process, one after another, and answers what
 * `POST {base}/execute` would. A runner that throws or times out is a result with status `error`.
 *
 * @throws OrchestratorError `RUNNER_NOT_FOUND` or `INPUT_VALIDATION_FAILED`, with nothing executed.
 */
export function runRunners(
  request: RunnerExecuteRequest,
  options: RunRunnersOptions,
): Promise<RunnerExecuteReply> {
  return execute(collectRunners(options.runners), request, options);
}

/** `runRunners` over runners that are collected already. */
export async function execute(
  catalog: RunnerCatalog,
  request: RunnerExecuteRequest,
  options: ExecutionOptions,
): Promise<RunnerExecuteReply> {
  const planned = await planExecution(catalog, request);
  const region = options.region ?? request.region;
  const origin = {
    ...(region !== undefined && { region }),
    ...(request.runId !== undefined && { runId: request.runId }),
  };
  const events = createExecutionEvents(origin, options.onEvent);
  const results: RunnerResult[] = [];
  try {
    for (const one of planned) results.push(await runOne(one, origin, events, options));
  } finally {
    events.close();
  }
  return { ...origin, results };
}

async function runOne(
  { runner, input }: PlannedRunner,
  origin: { region?: string; runId?: string },
  events: ExecutionEvents,
  options: ExecutionOptions,
): Promise<RunnerResult> {
  const { name } = runner;
  const startedAt = performance.now();
  const elapsed = (): number => Math.round(performance.now() - startedAt);
  const limit = limitTime(name, options);
  const scope = createScope();
  const ctx: RunnerContext = {
    ...origin,
    signal: limit.signal,
    ...events.of(name),
  };
  try {
    limit.signal.throwIfAborted();
    const running = Promise.resolve(runner.run(withScope(ctx, scope), input));
    return toResult(name, await Promise.race([running, limit.reached]), elapsed());
  } catch (error) {
    return toErrorResult(name, error, elapsed());
  } finally {
    limit.clear();
    await scope.close();
  }
}

/** A signal that aborts at the timeout or with the caller's, and a promise that rejects with it. */
function limitTime(
  name: string,
  { timeout = 30_000, signal: outer }: ExecutionOptions,
): { signal: AbortSignal; reached: Promise<never>; clear: () => void } {
  const controller = new AbortController();
  const { signal } = controller;
  const stop = (): void => controller.abort(outer?.reason);
  const timer = setTimeout(() => {
    const message = `Runner "${name}" timed out after ${timeout} ms`;
    controller.abort(new DOMException(message, "TimeoutError"));
  }, timeout);
  const reached = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  // It is raced only once the runner has started.
  reached.catch(() => {});
  // Not `AbortSignal.any`: on Node 20 it leaks on a signal that outlives many executions.
  if (outer?.aborted) stop();
  else outer?.addEventListener("abort", stop, { once: true });
  const clear = (): void => {
    clearTimeout(timer);
    outer?.removeEventListener("abort", stop);
  };
  return { signal, reached, clear };
}
