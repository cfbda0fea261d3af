import type { Turn } from "./turn.ts";

/** The turns that run in this process, by execution and turn. */
export interface ActiveTurns {
  /** Takes a place for a turn that is about to be claimed; false where it has one. */
  reserve(key: string): boolean;
  set(key: string, turn: Turn): void;
  delete(key: string): void;
  has(key: string): boolean;
  /** Those that run; what is only about to be claimed is not among them. */
  keys(): string[];
  readonly size: number;
  cancel(executionId: string): void;
  lose(key: string): void;
  /** Lets all go at their next checkpoint, also those still to come. */
  stop(): void;
  /** Resolves when there is none. */
  empty(): Promise<void>;
}

export function createActiveTurns(onEnd: () => void): ActiveTurns {
  const turns = new Map<string, Turn | undefined>();
  const waiting = new Set<() => void>();
  let stopped = false;
  return {
    reserve(key) {
      if (turns.has(key)) return false;
      turns.set(key, undefined);
      return true;
    },
    set(key, turn) {
      turns.set(key, turn);
      if (stopped) turn.stop();
    },
    delete(key) {
      turns.delete(key);
      onEnd();
      if (turns.size > 0) return;
      for (const resolve of waiting) resolve();
      waiting.clear();
    },
    has: (key) => turns.has(key),
    keys: () => [...turns].filter(([, turn]) => turn).map(([key]) => key),
    get size() {
      return turns.size;
    },
    cancel(executionId) {
      for (const [key, turn] of turns) if (key.startsWith(`${executionId}/`)) turn?.cancel();
    },
    lose: (key) => turns.get(key)?.lose(),
    stop() {
      stopped = true;
      for (const turn of turns.values()) turn?.stop();
    },
    empty: () =>
      turns.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.add(resolve)),
  };
}
