import type { RangeOptions, RootDatabase } from "lmdb";
import { copy } from "./copy.ts";
import type { Entry, Range } from "./store.ts";

/** Changes by the first two parts of their keys, which is what most ranges ask for. */
export type Pending = Map<string, Map<string, {} | undefined>>;

/** The first two parts of a key. */
export function bucketOf(key: string): string {
  const end = key.indexOf("/", key.indexOf("/") + 1);
  return end < 0 ? key : key.slice(0, end + 1);
}

/** The pending changes among which those of a prefix are. */
function bucketsOf(writes: Pending, prefix: string): Iterable<Map<string, {} | undefined>> {
  const name = bucketOf(prefix);
  if (name !== prefix || name.indexOf("/") < name.length - 1) {
    const bucket = writes.get(name);
    return bucket ? [bucket] : [];
  }
  return [...writes].flatMap(([other, bucket]) => (other.startsWith(prefix) ? [bucket] : []));
}

/** A range in the database's own words. */
export function boundsOf({ prefix, after, upTo, reverse = false }: Range): RangeOptions {
  // Prefixes end with "/", and "0" is the character after it.
  const beyond = `${prefix.slice(0, -1)}0`;
  return {
    start: after ?? (reverse ? beyond : prefix),
    end: upTo ?? (reverse ? prefix : beyond),
    exclusiveStart: after !== undefined,
    inclusiveEnd: upTo !== undefined,
    reverse,
  };
}

/** The database's keys with the pending writes laid over them. */
export function* merged<T>(
  database: RootDatabase<any, string>,
  groups: readonly { writes: Pending }[],
  range: Range,
): Iterable<Entry<T>> {
  const { prefix, after, upTo, reverse = false } = range;
  const before = (a: string, b: string): boolean => (reverse ? a > b : a < b);
  const inRange = (key: string): boolean =>
    key.startsWith(prefix) &&
    (after === undefined || before(after, key)) &&
    (upTo === undefined || !before(upTo, key));
  const pending = new Map<string, {} | undefined>();
  for (const { writes } of groups) {
    for (const bucket of bucketsOf(writes, prefix)) {
      for (const [key, value] of bucket) if (inRange(key)) pending.set(key, value);
    }
  }
  const overlay = [...pending.keys()].sort();
  if (reverse) overlay.reverse();
  let position = 0;
  const stored = database.getRange(boundsOf(range));
  for (const { key, value } of stored as Iterable<{ key: string; value: unknown }>) {
    while (position < overlay.length && before(overlay[position]!, key)) {
      const first = overlay[position++]!;
      const written = pending.get(first);
      if (written !== undefined) yield { key: first, value: written as T };
    }
    if (!pending.has(key)) yield { key, value: copy(value) as T };
  }
  for (; position < overlay.length; position++) {
    const written = pending.get(overlay[position]!);
    if (written !== undefined) yield { key: overlay[position]!, value: written as T };
  }
}
