import { OrchestratorError } from "../core/errors.ts";
import { jsonText } from "../core/json-value.ts";
import { retryDelay } from "../core/task-retry.ts";
import type { ConductorLogger, Task, TaskContext } from "../types/conductor.ts";
import type { Claim, StoredStep, TurnEnd, Turns } from "../conductor/turns.ts";

/** A turn of an execution while it runs here. */
export interface Turn {
  /** How it is over; undefined where it was lost, and nothing may be stored. */
  readonly over: Promise<TurnEnd | undefined>;
  /** Lets go at the next checkpoint. */
  stop(): void;
  /** Aborts the handler's signal, and lets go at the next checkpoint. */
  cancel(): void;
  /** Aborts the handler's signal, and lets go at once. */
  lose(): void;
}

export interface TurnOptions {
  task: Task<never>;
  claim: Claim;
  stored: readonly StoredStep[];
  turns: Turns;
  context: unknown;
  logger: ConductorLogger;
}

/** What our own tasks get beside what all do. */
export interface NotingContext extends TaskContext {
  /** Says something to those who follow the execution; without effect once it is no longer ours. */
  note(row: unknown): Promise<void>;
}

/** What is left behind waits for ever: nobody can tell it that it goes on elsewhere. */
const forever: Promise<never> = new Promise(() => undefined);

/** Runs a task's handler for one turn. */
export function runTurn(options: TurnOptions): Turn {
  const { task, claim, turns, logger } = options;
  const abort = new AbortController();
  const stored = new Map(options.stored.map((step) => [step.key, step]));
  const used = new Set<string>();
  const steps = new Set<Promise<unknown>>();
  let leaving: "no" | "asleep" | "released" = "no";
  let left = false;
  let until: Date | undefined;
  let leave = (_end: TurnEnd | undefined): void => undefined;
  const leftWith = new Promise<TurnEnd | undefined>((resolve) => {
    leave = (end) => {
      left = true;
      resolve(end);
    };
  });

  /** Lets go once nothing is being done any more; who has waited for a step meanwhile may still go on. */
  const letGo = async (): Promise<void> => {
    do {
      await Promise.allSettled(steps);
      await new Promise((resolve) => setImmediate(resolve));
    } while (steps.size > 0);
    leave(leaving === "asleep" && until ? { status: "asleep", until } : { status: "released" });
  };
  const wait = (as: "asleep" | "released"): Promise<never> => {
    const first = leaving === "no";
    if (leaving !== "released") leaving = as;
    if (first) void letGo();
    return forever;
  };
  const lose = (): Promise<never> => {
    abort.abort(new OrchestratorError("WORKER_LOST", "Another process has taken this over"));
    leave(undefined);
    return forever;
  };
  let stopped = false;
  /** Whether the handler is to be held here. */
  const held = (): Promise<never> | undefined => {
    if (left) return forever;
    return stopped ? wait("released") : undefined;
  };
  const claimName = (kind: "step" | "sleep", name: string): string => {
    const key = `${kind}:${name}`;
    if (typeof name !== "string" || name === "") {
      throw new OrchestratorError(
        "INVALID_STATE",
        `A ${kind} must have a name (got ${String(name)})`,
      );
    }
    if (used.has(key)) {
      throw new OrchestratorError(
        "INVALID_STATE",
        `There is a ${kind} "${name}" in this execution already: each needs a name of its own, such as "${name}-2"`,
      );
    }
    used.add(key);
    return key;
  };
  const runStep = async (key: string, name: string, work: () => unknown): Promise<unknown> => {
    const text = jsonText(await work(), `The result of step "${name}"`);
    if (left || !(await turns.storeStep(claim, key, text))) return lose();
    // The very value that a later turn gets.
    return text === undefined ? undefined : JSON.parse(text);
  };
  const ctx: NotingContext = {
    executionId: claim.id,
    attempt: claim.attempts,
    signal: abort.signal,
    logger,
    context: options.context,
    async step(name, work) {
      const waiting = held();
      if (waiting) return waiting;
      const key = claimName("step", name);
      const known = stored.get(key);
      if (known) return (known.value === null ? undefined : JSON.parse(known.value)) as never;
      const step = runStep(key, name, work);
      steps.add(step);
      const drop = (): void => void steps.delete(step);
      step.then(drop, drop);
      return step as never;
    },
    async note(row) {
      if (left) return;
      if (!(await turns.note(claim, JSON.stringify(row)))) await lose();
    },
    async checkpoint() {
      await held();
    },
    async sleep(id, ms) {
      const waiting = held();
      if (waiting) return waiting;
      const key = claimName("sleep", id);
      if (typeof ms !== "number" || !(ms >= 0) || !Number.isFinite(ms)) {
        throw new OrchestratorError(
          "INVALID_STATE",
          `The sleep "${id}" must be a number of milliseconds, 0 or more (got ${String(ms)})`,
        );
      }
      if (stored.get(key)?.due) return undefined;
      const storing = turns.storeSleep(claim, key, ms);
      steps.add(storing);
      const drop = (): void => void steps.delete(storing);
      storing.then(drop, drop);
      const sleeping = await storing;
      if (!sleeping) return lose();
      if (sleeping.due) return undefined;
      if (!until || sleeping.until < until) until = sleeping.until;
      return wait("asleep");
    },
  };
  const handle = async (): Promise<TurnEnd> => {
    const handler = task.handler as (event: unknown, ctx: TaskContext) => unknown;
    const event =
      claim.tick === null
        ? { name: "invoke", payload: claim.payload }
        : { name: claim.event, scheduledAt: claim.tick.toISOString() };
    const result = jsonText(await handler(event, ctx), `The result of task "${task.name}"`);
    return { status: "completed", result };
  };
  const over = Promise.race([
    handle().catch((error: unknown) =>
      failure(claim, claim.max_attempts ?? task.maxAttempts, error, logger),
    ),
    leftWith,
  ]);
  void over.then(() => (left = true));
  return {
    over,
    stop: () => void (stopped = true),
    cancel() {
      stopped = true;
      abort.abort(new DOMException("The execution was cancelled", "AbortError"));
    },
    lose: () => void lose(),
  };
}

function failure(
  claim: Claim,
  maxAttempts: number,
  error: unknown,
  logger: ConductorLogger,
): TurnEnd {
  const message = error instanceof Error ? error.message || error.name : String(error);
  // Postgres has no text with a NUL in it.
  const text = message.replaceAll("\0", "\uFFFD");
  const last = claim.attempts >= maxAttempts;
  const stack = error instanceof Error && error.stack ? { stack: error.stack } : {};
  logger[last ? "error" : "warn"]("A try has failed", { error: text, ...stack });
  if (last) return { status: "failed", error: text };
  return { status: "retry", error: text, delayMs: retryDelay(claim.attempts) };
}
