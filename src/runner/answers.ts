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

/** Answers by idempotency key: each key is executed once, and repeats share the first's answer. */
export interface Answers {
  /** The kept or coming answer; `undefined` for an unknown key, `"other"` for another body's key. */
  find(key: string, fingerprint: string): Promise<string> | "other" | undefined;
  /** Keeps the answer of `work`, from now on and not only from its end; nothing when it rejects. */
  keep(key: string, fingerprint: string, work: Promise<string>): void;
}

interface Running {
  fingerprint: string;
  work: Promise<string>;
}

interface Kept {
  fingerprint: string;
  answer: string;
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
  const settle = (key: string, fingerprint: string, answer: string): void => {
    const size = 2 * (answer.length + key.length + fingerprint.length);
    kept.set(key, { fingerprint, answer, bytes: size, expiresAt: now() + ttl });
    bytes += size;
    trim();
  };

  return {
    find(key, fingerprint) {
      trim();
      const known = running.get(key) ?? kept.get(key);
      if (!known) return undefined;
      if (known.fingerprint !== fingerprint) return "other";
      return "work" in known ? known.work : Promise.resolve(known.answer);
    },
    keep(key, fingerprint, work) {
      running.set(key, { fingerprint, work });
      work
        .then((answer) => settle(key, fingerprint, answer))
        // Whoever sent the request hears of the failure; here it only means that there is nothing to keep.
        .catch(() => {})
        .finally(() => running.delete(key));
    },
  };
}
