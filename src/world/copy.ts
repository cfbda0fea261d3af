/**
 * A deep copy of plain data in which every view of bytes is a `Uint8Array` of its own. Taken of what a caller
 * hands in, so that later changes do not reach the store, and of what the store decodes, whose bytes it reuses.
 */
export function copy<T>(value: T): T {
  return copyValue(value) as T;
}

function copyValue(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (value instanceof Date) return new Date(value.getTime());
  if (Array.isArray(value)) return value.map(copyValue);
  const prototype = Object.getPrototypeOf(value);
  // Anything else (maps, errors) is rare and left to the platform's own copy.
  if (prototype !== Object.prototype && prototype !== null) return structuredClone(value);
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    result[key] = copyValue((value as Record<string, unknown>)[key]);
  }
  return result;
}
