/** One change of a key: its new value, or its removal. */
export type Write = { key: string; value: {} } | { key: string; value: undefined };

/**
 * How somebody waits for a write: `idly`, with nothing else to do, so that the adapter may block the thread if it is
 * quicker so; `busily`, while other work goes on; or `patiently`, as nothing depends on it, so that it may be stored
 * with what is written next, or some milliseconds later.
 */
export type Wait = "idly" | "busily" | "patiently";

/** Which keys to read, and in which order. */
export interface Range {
  /** What the keys begin with. */
  prefix: string;
  /** Only keys beyond this one, in the order of reading. */
  after?: string;
  /** No key beyond this one, in the order of reading. */
  upTo?: string;
  /** From the last key to the first. @default false */
  reverse?: boolean;
}

/** A key with its value. */
export interface Entry<T> {
  key: string;
  value: T;
}

/**
 * Where a World keeps everything: an ordered map of strings to values (plain data, `Date` and `Uint8Array`).
 *
 * An adapter must
 * - show a write to `get` and `range` as soon as `write` has been called, so that a decision taken between
 *   two awaits holds: this is what makes conditional writes out of reading and then writing;
 * - apply the changes of one call together or not at all, and calls in their order;
 * - resolve `write` when its changes, and all changes before them, survive the death of the process and, as far as the
 *   medium allows, of the machine.
 *
 * It must not write without being asked to. Its users neither change a value they have written or read, nor keep a
 * range open between two awaits.
 */
export interface Store {
  get<T>(key: string): T | undefined;
  /** True when a key has a value, which is neither read nor kept. */
  has(key: string): boolean;
  range<T>(range: Range): Iterable<Entry<T>>;
  /** About how many keys a range has: what is not stored yet may be missing. */
  count(range: Range): number;
  /** @param wait how the caller waits @default "busily" */
  write(writes: readonly Write[], wait?: Wait): Promise<void>;
  /** Resolves when all that has been written is stored, or what has been written of a key; hurries nothing. */
  durable(key?: string): Promise<void>;
  /** Resolves when all writes are stored; no other call may follow. */
  close(): Promise<void>;
}
