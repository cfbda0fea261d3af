/** What a test does to a World. */
export type Operation =
  | { kind: "event"; type: string; run: number; entity: number; value: number }
  | { kind: "reopen" }
  | { kind: "later" };

/** A World in a few plain maps, without a store, a queue or anything of the real one's code. */
export interface Model {
  /** The name of the error that the event must be refused with, `stored` or `hook_conflict`. */
  apply(event: Extract<Operation, { kind: "event" }>, now: number): string;
  /** The process has died and another has begun. */
  restart(): void;
  /** What must be found: statuses by run, status and attempt by step, tokens by hook, event types by run. */
  state: {
    runs: Record<number, string>;
    steps: Record<string, string>;
    hooks: Record<string, string>;
    log: Record<number, string[]>;
  };
}

const HOUR = 3_600_000;

/** Makes an empty model. */
export function createModel(): Model {
  const state: Model["state"] = { runs: {}, steps: {}, hooks: {}, log: {} };
  const waits = new Map<string, "waiting" | "completed">();
  const retryAfter = new Map<string, number>();
  let startedHere = new Set<string>();

  const ended = (run: number): boolean =>
    ["completed", "failed", "cancelled"].includes(state.runs[run] ?? "");

  function endRun(run: number, status: string): string {
    state.runs[run] = status;
    for (const key of Object.keys(state.hooks)) {
      if (key.startsWith(`${run}/`)) delete state.hooks[key];
    }
    for (const key of waits.keys()) if (key.startsWith(`${run}/`)) waits.delete(key);
    return "stored";
  }

  function onRun(type: string, run: number): string {
    const status = state.runs[run];
    if (type === "run_created") {
      if (status) return "EntityConflictError";
      state.runs[run] = "pending";
      return "stored";
    }
    if (!status) return "WorkflowRunNotFoundError";
    if (ended(run)) {
      if (type === "run_cancelled" && status === "cancelled") return "again";
      return type === "run_started" ? "RunExpiredError" : "EntityConflictError";
    }
    if (type === "run_started") {
      if (status === "running") return "again";
      state.runs[run] = "running";
      return "stored";
    }
    return endRun(run, type.slice(4));
  }

  function onStep(type: string, run: number, key: string, value: number, now: number): string {
    if (!state.runs[run]) return "WorkflowRunNotFoundError";
    const [status, attempt] = state.steps[key]?.split(" ") ?? [];
    if (type === "step_created") {
      if (ended(run) || status) return "EntityConflictError";
      state.steps[key] = "pending 0";
      return "stored";
    }
    if (!status) {
      return ended(run) && type === "step_started" ? "RunExpiredError" : "WorkflowWorldError";
    }
    if (status === "completed" || status === "failed") return "EntityConflictError";
    if (ended(run) && (type === "step_started" || status !== "running")) return "RunExpiredError";
    if (type === "step_started") {
      if ((retryAfter.get(key) ?? 0) > now) return "TooEarlyError";
      retryAfter.delete(key);
      const crashed = status === "running" && !startedHere.has(key);
      startedHere.add(key);
      state.steps[key] = `running ${Number(attempt) + (crashed ? 0 : 1)}`;
    } else if (type === "step_retrying") {
      startedHere.delete(key);
      if (value === 1) retryAfter.set(key, now + HOUR);
      else retryAfter.delete(key);
      state.steps[key] = `pending ${attempt}`;
    } else state.steps[key] = `${type.slice(5)} ${attempt}`;
    return "stored";
  }

  function onHook(type: string, run: number, key: string, value: number): string {
    if (!state.runs[run]) return "WorkflowRunNotFoundError";
    const token = `token${value}`;
    if (type === "hook_created") {
      if (ended(run) || state.hooks[key]) return "EntityConflictError";
      if (Object.values(state.hooks).includes(token)) return "hook_conflict";
      state.hooks[key] = token;
      return "stored";
    }
    if (!state.hooks[key]) return "HookNotFoundError";
    if (type === "hook_disposed") delete state.hooks[key];
    return "stored";
  }

  function onWait(type: string, run: number, key: string): string {
    if (!state.runs[run]) return "WorkflowRunNotFoundError";
    const wait = waits.get(key);
    if (type === "wait_created") {
      if (ended(run) || wait) return "EntityConflictError";
      waits.set(key, "waiting");
      return "stored";
    }
    if (!wait) return "WorkflowWorldError";
    if (wait === "completed") return "EntityConflictError";
    waits.set(key, "completed");
    return "stored";
  }

  return {
    state,
    apply({ type, run, entity, value }, now) {
      const key = `${run}/${entity}`;
      let outcome: string;
      if (type.startsWith("run_")) outcome = onRun(type, run);
      else if (type.startsWith("step_")) outcome = onStep(type, run, key, value, now);
      else if (type.startsWith("hook_")) outcome = onHook(type, run, key, value);
      else outcome = onWait(type, run, key);
      if (outcome === "stored") (state.log[run] ??= []).push(type);
      if (outcome === "hook_conflict") state.log[run]!.push(outcome);
      return outcome === "again" ? "stored" : outcome;
    },
    restart() {
      startedHere = new Set();
    },
  };
}
