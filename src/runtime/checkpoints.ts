import { parseAwaitedToken } from "../core/awaited.ts";
import { createEventFold } from "../core/run-events.ts";
import type { Checkpoint } from "../types/service.ts";
import type { World } from "./engine-world.ts";
import { type Hook, hooksOf, resumeWaiting, SWEEP_MS } from "./hooks.ts";
import type { Journals } from "./journal.ts";

/** The checkpoints of runs, and the workflows that wait for them. */
export interface Checkpoints {
  /** Stores one, unless the run has one of this id. */
  store(runId: string, checkpoint: { id: string; type: string; data?: unknown }): Promise<void>;
  /** The same, and wakes its workflow where that waits for it. */
  add(runId: string, checkpoint: { id: string; type: string; data?: unknown }): Promise<void>;
  /**
   * All of a run, ascending, read as they are asked for.
   *
   * @param id the id that they name, which may be the caller's own
   */
  all(runId: string, id?: string): AsyncIterable<Checkpoint>;
  /** What the hook of this token waits for, where it is stored; else the wait ends when its time is up. */
  await(token: string): Promise<Checkpoint | undefined>;
  /** Wakes the run's workflow where it waits for a checkpoint of this type that is stored. */
  wake(runId: string, type: string): Promise<void>;
  /** Wakes a hook's workflow where what it waits for is stored, or its time is up; at that time, where it is near. */
  wakeDue(hook: Pick<Hook, "token">): Promise<void>;
  /** Forgets the times that come; the next start looks for them. */
  stop(): void;
}

/** Checkpoints in the runs' journals; who waits for one does so by a hook of the engine's. */
export function createCheckpoints(world: () => World, journals: Journals): Checkpoints {
  async function* all(runId: string, id = runId): AsyncGenerator<Checkpoint> {
    const fold = createEventFold(id);
    for await (const { entries } of journals.pages(runId)) {
      for (const entry of entries) {
        const event = fold.next(entry);
        if (event?.event === "checkpoint") yield event.data;
      }
    }
  }

  async function find(runId: string, type: string, ordinal: number) {
    let left = ordinal;
    for await (const checkpoint of all(runId)) {
      if (checkpoint.type === type && --left === 0) return checkpoint;
    }
    return undefined;
  }

  /** Timers by the token of the hook whose wait they end. */
  const timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** Ends a wait at its time; a sweep comes back to one that is later than the next. */
  function endInTime(token: string, deadline: number): void {
    const left = deadline - Date.now();
    if (left > 2 * SWEEP_MS || timers.has(token)) return;
    const end = (): void => {
      timers.delete(token);
      // What fails is done by the next sweep.
      wakeDue({ token }).catch(() => undefined);
    };
    timers.set(token, setTimeout(end, Math.max(0, left)).unref());
  }

  async function wakeDue({ token }: Pick<Hook, "token">): Promise<void> {
    const awaited = parseAwaitedToken(token);
    if (!awaited) return;
    const { runId, type, ordinal, deadline } = awaited;
    const checkpoint = await find(runId, type, ordinal);
    if (checkpoint) await resumeWaiting(token, checkpoint);
    else if (deadline !== undefined && deadline <= Date.now()) await resumeWaiting(token, null);
    else if (deadline !== undefined) endInTime(token, deadline);
  }

  async function wake(runId: string, type: string): Promise<void> {
    for await (const hook of hooksOf(world(), runId)) {
      if (parseAwaitedToken(hook.token)?.type === type) await wakeDue(hook);
    }
  }

  const store: Checkpoints["store"] = (runId, { id, type, data }) => {
    const entry = { type: "checkpoint", id, at: Date.now(), kind: type } as const;
    return journals.append(runId, [{ ...entry, ...(data !== undefined && { data }) }]);
  };

  return {
    store,
    async add(runId, checkpoint) {
      await store(runId, checkpoint);
      await wake(runId, checkpoint.type);
    },
    all,
    async await(token) {
      const { runId, type, ordinal, deadline } = parseAwaitedToken(token)!;
      const checkpoint = await find(runId, type, ordinal);
      if (!checkpoint && deadline !== undefined) endInTime(token, deadline);
      return checkpoint;
    },
    wake,
    wakeDue,
    stop() {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}

/** The same journals, which wake who waits for a checkpoint that is added to them. */
export function wakingJournals(journals: Journals, wake: Checkpoints["wake"]): Journals {
  return {
    ...journals,
    async append(runId, entries) {
      await journals.append(runId, entries);
      for (const entry of entries) {
        if (entry.type === "checkpoint") await wake(runId, entry.kind);
      }
    },
  };
}
