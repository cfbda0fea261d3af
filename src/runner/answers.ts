import type { Execution } from "./stream.ts";

/** Bounds of what is kept, and the clock. */
export interface AnswersOptions {
  /** Epoch milliseconds. */
  now: () => number;
  /**
   * Milliseconds an answer is kept after it was given.
   * @default 900000
   */
  ttl?: number;
  /**
   * Most answers kept; the oldest goes first.
   * @default 1000
   */
  maxKeys?: number;
  /**
   * Most bytes kept, counted at two a character.
   * @default 33554432
   */
  maxBytes?: number;
}

/** Executions by idempotency key: each key is executed once, and repeats share what the first tells and answers. */
export interface Answers {
  /** The kept or running execution; `undefined` for an unknown key, `"other"` for another body's key. */
  find(key: string, fingerprint: string): Execution | "other" | undefined;
  /** Keeps an execution, from now on and not only from its end; nothing when its answer rejects. */
  keep(key: string, fingerprint: string, execution: Execution): void;
}

interface Running {
  fingerprint: string;
  execution: Execution;
}

interface Kept extends Running {
  bytes: number;
  expiresAt: number;
}

/** Answers in this process's memory, without a timer: what expired goes at the next call. */
export function createAnswers({
  now,
  ttl = 15 * 60_000,
  maxKeys = 1000,
  maxBytes = 32 * 1024 * 1024,
}: AnswersOptions): Answers {
  const running = new Map<string, Running>();
  // In the order of their end, and so of their expiry.
  const kept = new Map<string, Kept>();
  let bytes = 0;

  const drop = (key: string): void => {
    bytes -= kept.get(key)?.bytes ?? 0;
    kept.delete(key);
  };
  const trim = (): void => {
    for (const [key, entry] of kept) {
      const fits = kept.size <= maxKeys && bytes <= maxBytes;
      if (fits && entry.expiresAt > now()) return;
      drop(key);
    }
  };
  const settle = (key: string, { fingerprint, execution }: Running, answer: string): void => {
    const { length } = execution.events;
    const size = 2 * (answer.length + length + key.length + fingerprint.length);
    kept.set(key, { fingerprint, execution, bytes: size, expiresAt: now() + ttl });
    bytes += size;
    trim();
  };

  return {
    find(key, fingerprint) {
      trim();
      const known = running.get(key) ?? kept.get(key);
      if (!known) return undefined;
      if (known.fingerprint !== fingerprint) return "other";
      return known.execution;
    },
    keep(key, fingerprint, execution) {
      const entry = { fingerprint, execution };
      running.set(key, entry);
      execution.answer
        .then((answer) => settle(key, entry, answer))
        // Whoever sent the request hears of the failure; here it only means that there is nothing to keep.
        .catch(() => {})
        .finally(() => running.delete(key));
    },
  };
}
