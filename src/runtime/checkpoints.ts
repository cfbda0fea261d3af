import { parseAwaitedToken } from "../core/awaited.ts";
import { createEventFold } from "../core/run-events.ts";
import type { Checkpoint } from "../types/service.ts";
import type { World } from "./engine-world.ts";
import { type Hook, listHooks, resumeWaiting } from "./hooks.ts";
import type { Journals } from "./journal.ts";

/** The checkpoints of runs, and the workflows that wait for them. */
export interface Checkpoints {
  /** Stores one, unless the run has one of this id. */
  store(runId: string, checkpoint: { id: string; type: string; data?: unknown }): Promise<void>;
  /** The same, and wakes its workflow where that waits for it. */
  add(runId: string, checkpoint: { id: string; type: string; data?: unknown }): Promise<void>;
  /**
   * All of a run, ascending.
   *
   * @param id the id that they name, which may be the caller's own
   */
  list(runId: string, id?: string): Promise<Checkpoint[]>;
  /** The n-th one of a type. */
  find(runId: string, type: string, ordinal: number): Promise<Checkpoint | undefined>;
  /** Wakes the run's workflow where it waits for a checkpoint of this type that is stored. */
  wake(runId: string, type: string): Promise<void>;
  /** Wakes who was left waiting by a process that died between storing a checkpoint and waking. */
  recover(hooks: readonly Hook[]): Promise<void>;
}

/** Checkpoints in the runs' journals; who waits for one does so by a hook of the engine's. */
export function createCheckpoints(world: () => World, journals: Journals): Checkpoints {
  async function list(runId: string, id = runId): Promise<Checkpoint[]> {
    let fold = createEventFold(id);
    let found: Checkpoint[] = [];
    for await (const { entries, anew } of journals.pages(runId)) {
      if (anew) {
        fold = createEventFold(id);
        found = [];
      }
      for (const entry of entries) {
        const event = fold.next(entry);
        if (event?.event === "checkpoint") found.push(event.data);
      }
    }
    return found;
  }

  async function find(runId: string, type: string, ordinal: number) {
    const all = await list(runId);
    return all.filter((checkpoint) => checkpoint.type === type)[ordinal - 1];
  }

  /** Gives the waiting what there is for them; of one type, or of all. */
  async function resumeAll(waiting: readonly Hook[], type?: string): Promise<void> {
    for (const { token, runId } of waiting) {
      const awaited = parseAwaitedToken(token);
      if (!awaited || (type !== undefined && awaited.type !== type)) continue;
      const checkpoint = await find(runId, awaited.type, awaited.ordinal);
      if (checkpoint) await resumeWaiting(token, checkpoint);
    }
  }

  const wake = async (runId: string, type: string): Promise<void> =>
    resumeAll(await listHooks(world(), runId), type);

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
    list,
    find,
    wake,
    recover: (hooks) => resumeAll(hooks),
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
